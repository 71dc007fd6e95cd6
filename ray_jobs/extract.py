"""`faceml extract`: Ray Data over detector actors, a folder of faces into a landmark table."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from rich.console import Console

import faceml
from faceml.atomic import write_text
from faceml.config.base import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import dump_config
from faceml.datasets.folder import list_images
from faceml.datasets.landmark_table import read_table, shard_files
from faceml.datasets.shards import Shard, plan_shards
from faceml.landmarks.mediapipe_detector import MEDIAPIPE_VERSION
from faceml.landmarks.model_bundle import BUNDLE_SHA256, find_model_bundle
from faceml.native_log import NativeLogFilter
from faceml.reporting.extraction import (
    ExtractionSummary,
    folder_table,
    status_table,
    summarize_table,
)
from faceml.reporting.extraction_report import extraction_chapter
from faceml.reporting.html import REPORT_FILE, Report, write_report
from faceml.reporting.progress import ProgressReport
from faceml.schema import landmark_schema, read_metadata, table_metadata
from faceml.training.run_folder import CONFIG_FILE, write_summary
from ray_jobs.cluster import RayCluster, cluster_cpus
from ray_jobs.extract_worker import ShardExtractor, ShardResult

logger = logging.getLogger(__name__)


def run(config: ExtractConfig) -> ExtractionSummary:
    """Extract the landmarks of every image below `data.root` that the table does not have yet.

    Raises:
        ConfigError: No images, no landmark model, or a table made with other settings.
    """
    started_s = time.monotonic()
    find_model_bundle(config.landmarker.model_path)
    schema = table_schema(config)
    image_ids = list_images(config.data.root, config.data.extensions)
    if not image_ids:
        raise ConfigError(
            f"data.root: no images below {config.data.root}. "
            f"data.extensions are {', '.join(config.data.extensions)}."
        )
    done = _rows_done(config.output.table, schema)
    strangers = sorted(done - set(image_ids))
    if strangers:
        raise ConfigError(
            f"output.table: {config.output.table} has {len(strangers)} images that are not below data.root "
            f"{config.data.root}, such as {strangers[0]}. Choose another output.table."
        )
    pending = sorted(set(image_ids) - done)
    write_text(config.run_folder / CONFIG_FILE, dump_config(config))
    busy_s = _extract(config, pending, schema) if pending else 0.0
    summary = summarize_table(
        read_table(config.output.table, ["folder", "status"]),
        len(pending),
        busy_s,
        time.monotonic() - started_s,
    )
    write_summary(summary.as_json(), config.run_folder)
    answer = f"Landmarks were found in {summary.detection_rate:.1%} of {summary.images:,} images."
    report = Report(f"Landmarks of {config.data.root.name}", answer, [extraction_chapter(config.run_folder)])
    write_report(report, config.run_folder / REPORT_FILE)
    return summary


def table_schema(config: ExtractConfig) -> pa.Schema:
    """Return the schema of the table that a configuration makes; its metadata hold what shapes the rows."""
    shaping = {
        "data": config.data.model_dump(mode="json", include={"max_bytes", "max_pixels"}),
        "landmarker": config.landmarker.model_dump(
            mode="json", include={"max_faces", "min_detection_confidence"}
        ),
        "output": config.output.model_dump(mode="json", include={"store_mesh", "embed"}),
    }
    detector = {"name": "mediapipe", "version": MEDIAPIPE_VERSION, "model_sha256": BUNDLE_SHA256}
    metadata = table_metadata(detector, shaping, faceml.__version__)
    return landmark_schema(
        metadata, with_mesh=config.output.store_mesh, with_image=config.output.embed is not None
    )


def _rows_done(table: Path, schema: pa.Schema) -> set[str]:
    """Return the images that a table has, after checking that the same settings made it."""
    files = shard_files(table)
    if not files:
        return set()
    stored = read_metadata(pq.read_schema(files[0]), str(table))
    wanted = read_metadata(schema, "the configuration")
    differing = [
        key.removeprefix("faceml.")
        for key in ("faceml.detector", "faceml.extraction")
        if stored[key] != wanted[key]
    ]
    if differing:
        raise ConfigError(
            f"output.table: {table} was made with another {' and '.join(differing)}; "
            + "; ".join(
                f"there {stored['faceml.' + name]}, here {wanted['faceml.' + name]}" for name in differing
            )
            + ". Choose another output.table."
        )
    return set(read_table(table, ["image_id"])["image_id"].to_pylist())


def _extract(config: ExtractConfig, image_ids: Sequence[str], schema: pa.Schema) -> float:
    """Make the shards of `image_ids` on the cluster; return the seconds that detectors were at work."""
    with RayCluster():
        actors = cluster_cpus() if config.landmarker.actors == "auto" else config.landmarker.actors
        shards = plan_shards(image_ids, config.output.images_per_shard, actors)
        actors = min(actors, len(shards))
        logger.info("Extracting %d images with %d detectors", len(image_ids), actors)
        first_s, last_s, done, counts = float("inf"), 0.0, 0, Counter[str]()
        results = _start_detectors(config, shards, actors, schema)
        with ProgressReport("extract", len(image_ids)) as progress:
            for result in results:
                first_s, last_s = min(first_s, result.started_s), max(last_s, result.ended_s)
                counts.update(result.by_status)
                done += sum(result.by_status.values())
                rate = done / (last_s - first_s)
                progress.advance_to(done, f"{rate:.1f} images/s, {counts['ok'] / done:.1%} detected")
    return last_s - first_s


def _start_detectors(
    config: ExtractConfig, shards: Sequence[Shard], actors: int, schema: pa.Schema
) -> Iterator[ShardResult]:
    """Start the actors, wait for the first shard, and return the results as they come."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    items = [{"name": shard.name, "image_ids": list(shard.image_ids)} for shard in shards]
    results = ray.data.from_items(items, override_num_blocks=len(items)).map(
        ShardExtractor,  # type: ignore[arg-type]  # a class of callables is what an actor pool takes
        fn_constructor_kwargs={"config": config, "schema": schema},
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    rows = iter(results.iter_rows())
    with NativeLogFilter(RAY_DATA_START_UP_LINES):
        first = next(rows)
    return map(_shard_result, chain([first], rows))


def _shard_result(row: dict[str, Any]) -> ShardResult:
    # Ray Data makes one column of the dicts, in which a status that one shard lacks is None.
    by_status = {name: count for name, count in row["by_status"].items() if count}
    return ShardResult(row["started_s"], row["ended_s"], by_status)


# An error in form only: its remedy, small arguments by value, is not ours to apply to Ray Data's own.
RAY_DATA_START_UP_LINES = ("has constructor arguments in the object store and max_restarts > 0",)


def show(summary: ExtractionSummary, config: ExtractConfig, console: Console) -> None:
    """Print the counts by status, the detection rate by folder, and what to worry about."""
    console.print(status_table(summary), folder_table(summary, config.min_detection_rate))
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


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("extract")
