"""`faceml extract`: Ray Data over detector actors, a folder of faces into a landmark table."""

import json
import logging
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from faceml.config import ExtractConfig, dump_config
from faceml.landmarks import find_model_bundle
from faceml.quality import ExtractionQuality, assess_quality, read_quality
from faceml.reporting import (
    ExtractionSpeed,
    ExtractionSummary,
    folder_table,
    quality_tables,
    read_summary,
    status_table,
    summarize_table,
)
from faceml.runs import CONFIG_FILE, QUALITY_FILE, REPORT_FILE, SUMMARY_FILE, WorkingCopy, write_summary
from faceml.storage import write_text
from faceml.tables import read_table, table_metadata_of
from ray_jobs.tables.extraction_job import extraction_job
from ray_jobs.tables.work import find_work, say_what_changed

logger = logging.getLogger(__name__)

Findings = tuple[ExtractionSummary, ExtractionQuality]
RESULT_FILES = (SUMMARY_FILE, QUALITY_FILE, REPORT_FILE)


def run(config: ExtractConfig) -> Findings:
    """Extract the landmarks of every image below `data.root` that the table does not have yet.

    Raises:
        ConfigError: No images, no landmark model, or a table made with other settings.
        StoppedError: The run folder's store cannot be reached.
    """
    started_s = time.monotonic()
    find_model_bundle(config.landmarker.model_path)  # here too: what is wrong with it is said at the start
    job = extraction_job(config)
    for other in config.quality.other_tables:
        table_metadata_of(other)  # refuses at the start what could not be read at the end
    work = find_work(job)
    say_what_changed(job, work)
    run_folder = WorkingCopy(config.run_folder)
    run_folder.fetch()
    files = run_folder.path
    quality = read_quality(files)
    if work.is_nothing and quality is not None and _is_concluded(config, files):
        summary = read_summary(files)
        wall_s = time.monotonic() - started_s
        return replace(summary, new_images=0, images_per_second=0.0, wall_s=wall_s), quality
    for result in RESULT_FILES:  # they are there when a run has come to its end
        run_folder.remove(result)
    write_text(files / CONFIG_FILE, dump_config(config))
    run_folder.push()
    from ray_jobs.tables.driver import complete_table  # it imports Ray

    speed = complete_table(job, work)
    findings = _conclude(config, files, speed, time.monotonic() - started_s)
    run_folder.push()
    return findings


def _is_concluded(config: ExtractConfig, files: Path) -> bool:
    """Say whether the run folder already says all there is to say of the table."""
    return (
        not config.quality.other_tables  # they may have grown
        and all((files / name).is_file() for name in RESULT_FILES)
        and (files / CONFIG_FILE).read_text(encoding="utf-8") == dump_config(config)
    )


def _conclude(config: ExtractConfig, files: Path, speed: ExtractionSpeed, wall_s: float) -> Findings:
    """Write what the run folder says of the table."""
    from faceml.page import Report, write_report
    from faceml.reporting import extraction_chapter

    counts = read_table(config.output.table, ["folder", "status"])
    summary = summarize_table(counts, speed.images, speed.span_s, wall_s)
    wanted = config.quality
    quality = assess_quality(
        config.output.table, wanted.other_tables, wanted.max_hash_distance, wanted.least_plausible
    )
    write_text(files / QUALITY_FILE, json.dumps(quality.as_json(), indent=2) + "\n")
    shares = {name: round(share, 4) for name, share in speed.shares().items()}
    write_summary(summary.as_json() | {"time_shares": shares}, files)
    answer = f"Landmarks were found in {summary.detection_rate:.1%} of {summary.images:,} images."
    name = config.data.root.rstrip("/").rpartition("/")[2]
    chapter = extraction_chapter(files, "Landmarks", quality)
    write_report(Report(f"Landmarks of {name}", answer, [chapter]), files / REPORT_FILE)
    if speed.images:
        logger.info("%s", speed.bottleneck())
    return summary, quality


def show(
    summary: ExtractionSummary, quality: ExtractionQuality, config: ExtractConfig, console: Console
) -> None:
    """Print the counts by status, the detection rate by folder, and what to worry about."""
    console.print(status_table(summary), folder_table(summary, config.min_detection_rate))
    console.print(*quality_tables(quality))
    console.print(
        f"{summary.detection_rate:.1%} of {summary.images:,} images have landmarks; "
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
            ", ".join(low[:10]) + (", …" if len(low) > 10 else ""),
        )


def run_and_show(config: ExtractConfig, console: Console) -> None:
    """Extract, and print the results."""
    show(*run(config), config, console)
