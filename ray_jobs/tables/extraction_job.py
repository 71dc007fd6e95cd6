"""What an extraction has to do: its table, who makes the rows, and how long it will take."""

import importlib.metadata
import os
import time

import pyarrow as pa
from rich.console import Console
from rich.table import Table

import faceml
from faceml.config import EmbedConfig, ExtractConfig
from faceml.landmarks import BUNDLE_SHA256, EmbedOptions, ExtractorSettings
from faceml.storage import StoredFile
from faceml.tables import Difference, ExtractorProcess, landmark_schema, table_metadata
from ray_jobs.tables.job import ShardJob
from ray_jobs.tables.work import find_work

DETECTOR_BYTES = 600 * 2**20
"""Memory of a detector's process and of the actor that feeds it."""


def extraction_job(config: ExtractConfig) -> ShardJob:
    """Return what an extraction is to make."""
    data, landmarker, output = config.data, config.landmarker, config.output
    return ShardJob(
        name="extract",
        config=config,
        root_key="data.root",
        workers_key="landmarker",
        extensions=data.extensions,
        table=output.table,
        schema=table_schema(config),
        follows_changes=output.on_change == "re-extract",
        images_per_shard=output.images_per_shard,
        rows=extractor_settings(config),
        max_attempts=landmarker.max_attempts,
        images_per_process=landmarker.images_per_process,
        actors=landmarker.actors,
        wait_for_nodes_s=landmarker.wait_for_nodes_s,
        bytes_each=DETECTOR_BYTES,
        gpus_each=0.0,
        shared=config.storage.shared,
        run_folder=config.run_folder,
        log_format=config.logging.format,
    )


def table_schema(config: ExtractConfig) -> pa.Schema:
    """Return the schema of the table that a configuration makes; its metadata hold what shapes the rows."""
    embed = config.output.embed
    shaping = {
        "data": config.data.model_dump(mode="json", include={"max_bytes", "max_pixels", "follow_links"}),
        "landmarker": config.landmarker.model_dump(
            mode="json", include={"max_faces", "min_detection_confidence", "decode"}
        ),
        "output": config.output.model_dump(mode="json", include={"store_mesh", "embed"}),
    }
    version = importlib.metadata.version("mediapipe")
    detector = {"name": "mediapipe", "version": version, "model_sha256": BUNDLE_SHA256}
    return landmark_schema(
        table_metadata(detector, shaping, faceml.__version__),
        with_mesh=config.output.store_mesh,
        with_image=embed is not None,
        with_crop=embed is not None and embed.crop is not None,
    )


def extractor_settings(config: ExtractConfig) -> ExtractorSettings:
    """Return what a detector's process needs to know of a configuration."""
    data, landmarker = config.data, config.landmarker
    return ExtractorSettings(
        root=data.root,
        follow_links=data.follow_links,
        model_path=landmarker.model_path,
        max_faces=landmarker.max_faces,
        min_detection_confidence=landmarker.min_detection_confidence,
        max_bytes=data.max_bytes,
        max_pixels=data.max_pixels,
        reduce=landmarker.decode == "reduced",
        store_mesh=config.output.store_mesh,
        embed=_embed_options(config.output.embed) if config.output.embed else None,
        timeout_s=landmarker.timeout_s,
    )


def _embed_options(embed: EmbedConfig) -> EmbedOptions:
    return EmbedOptions(embed.size, embed.quality, embed.crop.margin if embed.crop else None, embed.align)


SAMPLE = 64
"""Images that a dry run looks at."""
START_UP_S = 10.0
"""Of Ray and Ray Data on one machine, and of the detectors."""


def dry_run(config: ExtractConfig, console: Console) -> None:
    """Say what there is to do and how long it will take, by looking at a sample; write nothing."""
    work = find_work(extraction_job(config))
    table = Table(title=f"What extracting {config.data.root} would do", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("images in the table already", f"{work.known:,}")
    table.add_row("images to extract", f"{work.num_to_extract:,}")
    table.add_row("their size", f"{work.bytes_to_extract / 1e6:,.1f} MB")
    table.add_row("images that may have changed", f"{work.touched:,}")
    table.add_row("images that vanished", f"{len(work.vanished):,}")
    if work.num_to_extract:
        seconds = _seconds_per_image(config, work)
        detectors = (os.cpu_count() or 1) if config.landmarker.actors == "auto" else config.landmarker.actors
        minutes = (START_UP_S + seconds * work.num_to_extract / detectors) / 60
        table.add_row("milliseconds an image, one detector", f"{1000 * seconds:.1f}")
        table.add_row(f"estimated minutes, {detectors} detectors", f"{minutes:,.1f}")
    console.print(table)


def _seconds_per_image(config: ExtractConfig, work: Difference) -> float:
    """Extract a sample that is spread over the listing."""
    files = work.new if work.new.num_rows else next(iter(work.begun.values()))
    step = max(1, files.num_rows // SAMPLE)
    sample = [
        StoredFile(*row.values())
        for row in files.take(list(range(0, files.num_rows, step))[:SAMPLE]).to_pylist()
    ]
    with ExtractorProcess(extractor_settings(config)) as process:
        started_s = time.monotonic()
        for _ in process.rows(sample):
            pass
        return (time.monotonic() - started_s) / len(sample)
