"""`faceml extract`: extraction of a folder of faces to a landmark table on Ray Data."""

import json
import logging
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from faceml.config import ExtractConfig, dump_config
from faceml.landmarks import find_model_bundle
from faceml.page import first_names
from faceml.quality import ExtractionQuality, assess_quality, read_quality
from faceml.reporting import (
    COUNTED_COLUMNS,
    ExtractionSpeed,
    ExtractionSummary,
    folder_table,
    look_tables,
    quality_tables,
    read_summary,
    rejected_tables,
    source_tables,
    status_table,
    summarize_table,
)
from faceml.runs import CONFIG_FILE, QUALITY_FILE, REPORT_FILE, SUMMARY_FILE, RunFolder, refuse_run_folder
from faceml.storage import write_text
from faceml.tables import TableScan, build_limits, table_columns, table_metadata_of, temporary_folder
from ray_jobs.tables.extraction_job import build_extraction_job
from ray_jobs.tables.table_diff import compute_diff, log_deleted, log_import_commands

logger = logging.getLogger(__name__)

Findings = tuple[ExtractionSummary, ExtractionQuality]
RESULT_FILES = (SUMMARY_FILE, QUALITY_FILE, REPORT_FILE)
REPORT_MODULES = ("faceml.reporting.extraction.report", "matplotlib.figure", "scipy.stats")
"""Modules that are imported only for the report, and take long."""


def run(config: ExtractConfig) -> Findings:
    """Extract the landmarks of every image below `data.root` that is not in the table.

    Raises:
        ConfigError: No images, no landmark model, or a table made with other settings.
        StoppedError: The run folder's store cannot be reached.
    """
    started_s = time.monotonic()
    find_model_bundle(config.landmarker.model_path)  # a missing model is an error before anything starts
    with (
        RunFolder(config.run_folder) as run_folder,
        temporary_folder(config.queries.spill_folder) as scratch,
    ):
        run_folder.check_kind(dump_config(config))
        refuse_run_folder("output.table", config.output.table)
        job = build_extraction_job(config)
        for other in config.quality.other_tables:
            table_metadata_of(other)  # an unreadable table is an error before anything starts
        diff = compute_diff(job, scratch, build_limits(config.queries))
        log_import_commands(job)
        log_deleted(job, diff)
        files = run_folder.path
        quality = read_quality(files)
        if diff.is_empty and quality is not None and _is_complete(config, files, diff.num_rows):
            summary = read_summary(files)
            wall_s = time.monotonic() - started_s
            return replace(summary, new_images=0, images_per_second=0.0, wall_s=wall_s), quality
        run_folder.renew(dump_config(config), *RESULT_FILES)
        from ray_jobs.tables.actor_pool import complete_table  # imports Ray

        with complete_table(job, diff, *REPORT_MODULES) as speed:
            return _write_results(config, run_folder, speed, time.monotonic() - started_s)


def _is_complete(config: ExtractConfig, files: Path, num_images: int) -> bool:
    """Return whether the results in the run folder are current, given the number of images of the table."""
    return (
        not config.quality.other_tables  # they may have grown
        and all((files / name).is_file() for name in RESULT_FILES)
        and (files / CONFIG_FILE).read_text(encoding="utf-8") == dump_config(config)
        and read_summary(files).images == num_images  # `faceml forget` deletes rows
    )


def _write_results(
    config: ExtractConfig, run_folder: RunFolder, speed: ExtractionSpeed, wall_s: float
) -> Findings:
    """Write quality, summary and report to the run folder."""
    from faceml.page import Report
    from faceml.reporting import extraction_chapter

    table, limits = config.output.table, build_limits(config.queries)
    counted = [name for name in table_columns(table) if name in COUNTED_COLUMNS]
    summary = summarize_table(TableScan(table, counted), speed.images, speed.span_s, wall_s, limits)
    wanted = config.quality
    quality = assess_quality(
        table, wanted.other_tables, wanted.max_hash_distance, wanted.least_plausible, limits
    )
    files = run_folder.path
    write_text(files / QUALITY_FILE, json.dumps(quality.as_json(), indent=2) + "\n")
    shares = {name: round(share, 4) for name, share in speed.shares().items()}
    run_folder.write_summary(summary.as_json() | {"time_shares": shares})
    answer = f"Landmarks were found in {summary.detection_rate:.1%} of {summary.images:,} images."
    root = config.data.root
    name = root.rstrip("/").rpartition("/")[2] if isinstance(root, str) else ", ".join(root)
    run_folder.finish(
        lambda: Report(f"Landmarks of {name}", answer, [extraction_chapter(files, "Landmarks", quality)])
    )
    if speed.images:
        logger.info("%s", speed.bottleneck())
    return summary, quality


def show(
    summary: ExtractionSummary, quality: ExtractionQuality, config: ExtractConfig, console: Console
) -> None:
    """Print the counts by status, the detection rate by folder, and findings on the quality."""
    looks = look_tables(summary) if len(summary.by_look) > 1 else []
    console.print(status_table(summary), *looks, *rejected_tables(summary), *source_tables(summary))
    console.print(folder_table(summary, config.min_detection_rate))
    console.print(*quality_tables(quality))
    faces = f", {summary.faces:,} faces in all" if config.landmarker.max_faces == 0 else ""
    console.print(
        f"{summary.detection_rate:.1%} of {summary.images:,} images have landmarks{faces}; "
        f"{summary.new_images:,} new ones at {summary.images_per_second:.1f} images/s, "
        f"{summary.wall_s:.1f} s in all.",
        soft_wrap=True,
    )
    low = summary.folders_below(config.min_detection_rate)
    if low:
        logger.warning(
            "Detection rate below %.0f %% in %d of %d folders: %s",
            100 * config.min_detection_rate,
            len(low),
            len(summary.by_folder),
            first_names(low, 10),
        )


def run_and_show(config: ExtractConfig, console: Console) -> None:
    """Extract, and print the results."""
    show(*run(config), config, console)
