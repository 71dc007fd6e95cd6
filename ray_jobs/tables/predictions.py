"""`faceml predict` with `output.table`: Ray Data over a large folder, a row for each image exactly once."""

import importlib.metadata
import time
from dataclasses import replace

import pyarrow.parquet as pq

import faceml
from faceml.config import DetectedFaces, PredictConfig, dump_config
from faceml.landmarks import BUNDLE_SHA256
from faceml.prediction import (
    PredictionSettings,
    Tally,
    build_predictor,
    file_digest,
    model_file,
    prediction_table_schema,
)
from faceml.reporting import ExtractionSpeed
from faceml.runs import SUMMARY_FILE, RunFolder
from faceml.storage import StorageFolder
from faceml.tables import shard_names, table_metadata
from ray_jobs.tables.job import ShardJob
from ray_jobs.tables.work import find_work, say_what_changed

PREDICTOR_BYTES = 1800 * 2**20
"""Memory of the process of a detector and a network, and of the actor that feeds it: with ResNet-50 at 224 px
the process reaches 1.6 GiB, of which it shares 0.6 with others; the actor 200 MiB."""


def run(config: PredictConfig) -> Tally:
    """Predict every image below `data.root` that the table does not have yet.

    Raises:
        ConfigError: The model is not there or cannot be used, there are no images, or the table was made with
            another model or other settings.
        StoppedError: A store cannot be reached.
    """
    started_s = time.monotonic()
    job = prediction_job(config)
    work = find_work(job)
    say_what_changed(job, work)
    with RunFolder(config.run_folder) as run_folder:
        run_folder.remove(SUMMARY_FILE)  # it marks a finished run
        run_folder.write_config(dump_config(config))
        run_folder.push()
        from ray_jobs.tables.driver import complete_table  # it imports Ray

        speed = complete_table(job, work)
        tally = count(job.table)
        tally.log_unseen()
        run_folder.write_summary(_summary(tally, speed, time.monotonic() - started_s))
    return tally


def prediction_job(config: PredictConfig) -> ShardJob:
    """Return what is to be made.

    Raises:
        ConfigError: The model is not there or cannot be used.
    """
    data, faces, output, workers = config.data, config.faces, config.output, config.workers
    assert data.root is not None
    assert output.table is not None
    model, found = model_file(config.model), isinstance(faces, DetectedFaces)
    sha256 = file_digest(model)
    # Opened here too: what is wrong with it is said before anything starts.
    predictor = build_predictor(config.model_copy(update={"use_gpu": False}))
    detector = {"name": "none"}
    settings = PredictionSettings(
        root=data.root,
        model=model,
        model_sha256=sha256,
        finds_faces=found,
        batch_size=config.batch_size,
        device="cuda" if config.use_gpu else "cpu",
        follow_links=data.follow_links,
        timeout_s=workers.timeout_s,
    )
    if isinstance(faces, DetectedFaces):
        version = importlib.metadata.version("mediapipe")
        detector = {"name": "mediapipe", "version": version, "model_sha256": BUNDLE_SHA256}
        settings = replace(
            settings,
            max_faces=faces.max_faces,
            min_detection_confidence=faces.min_detection_confidence,
            zoom_levels=faces.zoom_levels,
            landmarker=faces.model_path,
        )
    shaping = {
        "model": {"sha256": sha256},
        "data": {"follow_links": data.follow_links},
        "faces": faces.model_dump(mode="json", exclude={"model_path"}),
    }
    return ShardJob(
        name="predict",
        config=config,
        root_key="data.root",
        workers_key="use_gpu, workers" if config.use_gpu else "workers",
        extensions=data.extensions,
        table=output.table,
        schema=prediction_table_schema(
            len(predictor.landmark_set),
            predictor.embedding_dim,
            table_metadata(detector, shaping, faceml.__version__),
        ),
        follows_changes=output.on_change == "re-extract",
        images_per_shard=output.images_per_shard,
        rows=settings,
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


def count(table: str) -> Tally:
    """Count the rows of a table of predictions, and the faces in them."""
    folder, tally = StorageFolder(table), Tally()
    columns = ["image_id", "status", "faces.list.element.expression"]
    for name in shard_names(folder):
        rows = pq.ParquetFile(f"{folder.path}/{name}", filesystem=folder.filesystem).read(columns)
        for row in rows.to_pylist():
            tally.add(row["image_id"], row["status"], (face["expression"] for face in row["faces"] or ()))
    return tally


def _summary(tally: Tally, speed: ExtractionSpeed, wall_s: float) -> dict[str, object]:
    return {
        "images": tally.statuses.total(),
        **dict(tally.statuses.most_common()),
        "faces": tally.expressions.total(),
        "expressions": dict(tally.expressions.most_common()),
        "new_images": speed.images,
        "images_per_second": round(speed.images / speed.span_s, 2) if speed.span_s else 0.0,
        "wall_s": round(wall_s, 2),
        "time_shares": {name: round(share, 4) for name, share in speed.shares().items()},
    }
