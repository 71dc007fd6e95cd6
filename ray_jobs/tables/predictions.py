"""`faceml predict` with `output.table`: prediction of a large folder to a table on Ray Data."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

import faceml
from faceml.config import PredictConfig, dump_config
from faceml.landmarks import detector_metadata
from faceml.prediction import (
    PredictionCounts,
    build_prediction_settings,
    file_digest,
    model_file,
    named_columns,
    open_predictor,
    prediction_table_schema,
)
from faceml.reporting import ExtractionSpeed
from faceml.runs import SUMMARY_FILE, RunFolder, refuse_run_folder
from faceml.storage import StorageFolder, map_concurrently
from faceml.tables import Shard, open_shard, read_shards, table_metadata
from faceml.tasks import counts_name
from ray_jobs.tables.earlier_tables import earlier_settings
from ray_jobs.tables.table_diff import compute_diff, log_deleted
from ray_jobs.tables.table_job import TableJob

PREDICTOR_BYTES = 1800 * 2**20
"""Memory of an actor (200 MiB) and its process with detector and network: 1.6 GiB for ResNet-50 at 224 px,
of which 0.6 GiB are shared with other processes."""


def run(config: PredictConfig) -> PredictionCounts:
    """Predict every image below `data.root` that is not in the table.

    Raises:
        ConfigError: The model is missing or unusable, there are no images, or the table was made with another
            model or other settings.
        StoppedError: A store cannot be reached.
    """
    started_s = time.monotonic()
    with RunFolder(config.run_folder) as run_folder, TemporaryDirectory(prefix="faceml-") as scratch:
        run_folder.check_kind(dump_config(config))
        job = build_prediction_job(config)
        refuse_run_folder("output.table", job.table)
        diff = compute_diff(job, Path(scratch))
        log_deleted(job, diff)
        run_folder.renew(dump_config(config), SUMMARY_FILE)
        from ray_jobs.tables.actor_pool import complete_table  # imports Ray

        with complete_table(job, diff) as speed:
            counts = count_predictions(job.table)
            counts.log_failed()
            run_folder.write_summary(_summary(counts, speed, time.monotonic() - started_s))
    return counts


def build_prediction_job(config: PredictConfig) -> TableJob:
    """Build the job of a table of predictions.

    Raises:
        ConfigError: The model is missing or unusable.
    """
    data, output, workers = config.data, config.output, config.workers
    assert output.table is not None
    if config.faces.kind == "detected":
        earlier = earlier_settings(output.table, "faces", config.faces.model_dump())
        config = config.model_copy(update={"faces": config.faces.model_copy(update=earlier)})
    model = model_file(config.model)
    settings = build_prediction_settings(config, model, file_digest(model))
    # Opened here too, on the CPU, so that an unusable model is an error before anything starts.
    predictor = open_predictor(model, settings.detector, config.batch_size)
    affecting = {
        "model": {"sha256": settings.model_sha256},
        "data": {"follow_links": data.follow_links},
        "faces": config.faces.model_dump(mode="json", exclude={"model_path", "engine"}),
    } | ({"flip_test": True} if config.flip_test else {})  # tables of earlier versions were made without
    detector = detector_metadata(settings.detector.engine) if settings.detector else {"name": "none"}
    return TableJob(
        name="predict",
        config=config,
        root_key="data.root",
        workers_key="use_gpu, workers" if config.use_gpu else "workers",
        extensions=data.extensions,
        table=output.table,
        schema=prediction_table_schema(
            predictor.tasks,
            predictor.embedding_dim,
            table_metadata(detector, affecting, faceml.__version__),
        ),
        follows_changes=output.on_change == "re-extract",
        images_per_shard=output.images_per_shard,
        extractor=settings,
        max_attempts=workers.max_attempts,
        images_per_process=workers.images_per_process,
        actors=workers.actors,
        wait_for_nodes_s=workers.wait_for_nodes_s,
        bytes_each=PREDICTOR_BYTES,
        gpus_each=workers.gpus_each if config.use_gpu else 0.0,
        shared=config.storage.shared,
        run_folder=config.run_folder,
        log_format=config.logging.format,
    )


def count_predictions(table: str) -> PredictionCounts:
    """Count the images of a table of predictions by status, and their faces by class."""
    folder = StorageFolder(table)
    shards = read_shards(folder)
    names = named_columns(shards[0].schema)
    counts = PredictionCounts(names)
    # Without such a column, boxes tell the number of faces.
    columns = ["image_id", "status", *(f"faces.list.element.{name}" for name in names or ["box"])]

    def read(shard: Shard) -> pa.Table:
        with open_shard(folder, shard.file) as opened:
            return opened.read(columns)

    for rows in map_concurrently(read, shards, folder.threads):
        for row in rows.to_pylist():
            counts.add(row["image_id"], row["status"], row["faces"] or ())
    return counts


def _summary(counts: PredictionCounts, speed: ExtractionSpeed, wall_s: float) -> dict[str, object]:
    return {
        "images": counts.statuses.total(),
        **dict(counts.statuses.most_common()),
        "faces": counts.faces,
        **{counts_name(column): dict(names.most_common()) for column, names in counts.names.items()},
        "new_images": speed.images,
        "images_per_second": round(speed.images / speed.span_s, 2) if speed.span_s else 0.0,
        "wall_s": round(wall_s, 2),
        "time_shares": {name: round(share, 4) for name, share in speed.shares().items()},
    }
