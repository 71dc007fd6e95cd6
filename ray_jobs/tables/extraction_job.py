"""The job of an extraction, and the estimate of its duration."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

import faceml
from faceml.config import ExtractConfig
from faceml.extraction import ExtractorProcess, TableDiff
from faceml.landmarks import build_extractor_settings, detector_metadata
from faceml.storage import StorageRoots
from faceml.tables import build_limits, landmark_schema, table_metadata, temporary_folder
from ray_jobs.tables.earlier_tables import earlier_settings
from ray_jobs.tables.table_diff import compute_diff, log_deleted, log_import_commands
from ray_jobs.tables.table_job import TableJob

DETECTOR_BYTES = 600 * 2**20
"""Memory of an actor and its detector's process."""
SAMPLE_SIZE = 64
"""Images extracted by a dry run."""
BY_SOURCE = "folders by source"
"""Setting `data.root` in the metadata of a table whose images are named after their source."""
START_UP_S = 7.0
"""Start of Ray, Ray Data and the detectors on one machine."""


def build_extraction_job(config: ExtractConfig) -> TableJob:
    """Build the job of an extraction.

    A table that an earlier version of faceml has begun is continued without what that version did not do.
    """
    table = config.output.table
    earlier = earlier_settings(table, "landmarker", config.landmarker.model_dump())
    config = config.model_copy(update={"landmarker": config.landmarker.model_copy(update=earlier)})
    data, landmarker, output = config.data, config.landmarker, config.output
    return TableJob(
        name="extract",
        config=config,
        root_key="data.root",
        workers_key="landmarker",
        extensions=data.extensions,
        table=table,
        schema=build_table_schema(config),
        follows_changes=output.on_change == "re-extract",
        images_per_shard=output.images_per_shard,
        extractor=build_extractor_settings(config),
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


def build_table_schema(config: ExtractConfig) -> pa.Schema:
    """Build the schema of a table; its metadata contain the settings that affect the rows."""
    embed, has_sources = config.output.embed, isinstance(config.data.root, Mapping)
    settings = {
        "data": config.data.model_dump(mode="json", include={"max_bytes", "max_pixels", "follow_links"})
        | ({"root": BY_SOURCE} if has_sources else {}),
        "landmarker": config.landmarker.model_dump(
            mode="json",
            include={
                *("max_faces", "keep", "zoom_levels", "second_look", "confirm"),
                *("min_detection_confidence", "decode"),
            },
        ),
        "output": config.output.model_dump(mode="json", include={"store_mesh", "embed"}),
    }
    return landmark_schema(
        table_metadata(detector_metadata(config.landmarker.engine), settings, faceml.__version__),
        with_source=has_sources,
        with_faces=config.landmarker.max_faces == 0,
        with_look=config.landmarker.second_look,
        with_rejected=config.landmarker.confirm,
        with_mesh=config.output.store_mesh,
        with_image=embed is not None,
        with_crop=embed is not None and embed.crop is not None,
    )


def dry_run(config: ExtractConfig, console: Console) -> None:
    """Print the number of images to extract, and the time estimated from a sample; write nothing."""
    with temporary_folder(config.queries.spill_folder) as scratch:
        _print_estimate(config, build_extraction_job(config), scratch, console)


def _print_estimate(config: ExtractConfig, job: TableJob, scratch: Path, console: Console) -> None:
    diff = compute_diff(job, scratch, build_limits(config.queries))
    log_deleted(job, diff)
    log_import_commands(job)
    table = Table(title=f"Extraction of {StorageRoots(config.data.root)}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("images already in the table", f"{diff.num_rows:,}")
    number = diff.num_to_read(follow_changes=job.follows_changes)
    table.add_row("images to extract", f"{number:,}")
    table.add_row("size of their files", f"{diff.bytes_to_extract / 1e6:,.1f} MB")
    table.add_row("images that may have changed", f"{diff.num_modified:,}")
    table.add_row("images that no longer exist", f"{diff.num_deleted:,}")
    if number:
        seconds = _measure_seconds_per_image(config, diff)
        detectors = (os.cpu_count() or 1) if config.landmarker.actors == "auto" else config.landmarker.actors
        minutes = (START_UP_S + seconds * number / detectors) / 60
        table.add_row("milliseconds per image, one detector", f"{1000 * seconds:.1f}")
        table.add_row(f"estimated minutes, {detectors} detectors", f"{minutes:,.1f}")
    console.print(table)


def _measure_seconds_per_image(config: ExtractConfig, diff: TableDiff) -> float:
    """Measure the extraction of a sample that is evenly spread over the listing."""
    files = next(each for each in (diff.new, diff.plan.unfinished, diff.stale) if each.num_rows)
    sample = files.sample(SAMPLE_SIZE)
    with ExtractorProcess(build_extractor_settings(config)) as process:
        started_s = time.monotonic()
        for _ in process.extract_rows(sample):
            pass
        return (time.monotonic() - started_s) / len(sample)
