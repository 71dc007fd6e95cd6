"""The part of an extraction that is done on Ray: shards in, shards out."""

import logging
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import pyarrow as pa
import ray
import ray.data

from faceml.config.base import OnEveryNode
from faceml.config.extract import ExtractConfig
from faceml.config.paths import local_paths
from faceml.datasets.plan import Difference, cut_into_shards, write_plan
from faceml.datasets.shard_maker import MOST_NAMED
from faceml.native_log import NativeLogFilter
from faceml.reporting.extraction_speed import ExtractionSpeed
from faceml.reporting.progress import ProgressReport
from faceml.stopped import StoppedError
from faceml.storage import StorageFolder
from ray_jobs.cluster import RayCluster, cluster_cpus_with_memory, require_reach, require_resources
from ray_jobs.extract_work import some
from ray_jobs.extract_worker import ShardExtractor, ShardResult, read_result
from ray_jobs.metrics import ExtractionMetrics

logger = logging.getLogger(__name__)


def make_shards(config: ExtractConfig, work: Difference, schema: pa.Schema) -> ExtractionSpeed:
    """Make the shards that are missing or out of date on the cluster; return where the time went."""
    with RayCluster() as cluster:
        require_reach(config)
        wait_s = config.landmarker.wait_for_nodes_s if cluster.may_grow else 0.0
        require_resources([{"CPU": 1.0}], "landmarker", wait_s)
        cpus = cluster_cpus_with_memory(DETECTOR_BYTES)
        actors = cpus if config.landmarker.actors == "auto" else config.landmarker.actors
        may_grow = cluster.may_grow and config.landmarker.actors == "auto" and _is_reached_by_all(config)
        new = cut_into_shards(work.new, config.output.images_per_shard, actors)
        shards = work.stale | work.begun | new
        write_plan(shards, StorageFolder(config.output.table), schema)
        actors = min(actors, len(shards))
        logger.info("Extracting %d images with %d detectors", work.num_to_extract, actors)
        pool = _pool(actors, len(shards) if may_grow else actors)
        # Closed while Ray is there: threads of an iterator that is left in the middle ask it for more.
        memory = DETECTOR_BYTES if may_grow else None
        with (
            ExtractionMetrics(config.run_folder, work.num_to_extract) as metrics,
            closing(_start_detectors(config, list(shards), pool, memory, schema)) as results,
        ):
            return _watch(results, work, config.output.on_change == "re-extract", metrics)


def _is_reached_by_all(config: ExtractConfig) -> bool:
    """Say whether nodes that join later find images and table too."""
    return config.storage.shared or not any(local_paths(config, OnEveryNode))


DETECTOR_BYTES = 600 * 2**20
"""Memory of a detector's process and of the actor that feeds it."""


def _watch(
    results: Iterator[ShardResult],
    work: Difference,
    follows_changes: bool,
    metrics: ExtractionMetrics,
) -> ExtractionSpeed:
    """Show progress while shards are made.

    Raises:
        StoppedError: A worker cannot go on.
    """
    first_s, last_s, span_s, counts = dict[str, float](), 0.0, 0.0, Counter[str]()
    decode_s = detect_s = write_s = busy_s = 0.0
    changed, num_changed = list[str](), 0
    with ProgressReport("extract", work.num_to_extract) as progress:
        for result in results:
            if result.stopped:
                reason = result.stopped.rstrip(".")
                raise StoppedError(f"{reason}. The same command goes on from here.")
            first_s[result.detector] = min(first_s.get(result.detector, result.started_s), result.started_s)
            last_s = max(last_s, result.ended_s)
            counts.update(result.made)
            decode_s, detect_s = decode_s + result.decode_s, detect_s + result.detect_s
            write_s, busy_s = write_s + result.write_s, busy_s + result.extracted_s - result.started_s
            changed, num_changed = [*changed, *result.changed][:MOST_NAMED], num_changed + result.num_changed
            by_status = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
            span_s = last_s - min(first_s.values())
            images_per_second = counts.total() / span_s
            progress.advance_to(counts.total(), f"{images_per_second:.1f} images/s, {by_status}")
            metrics.shard_done(
                result.made, result.node, result.extracted_s - result.started_s, images_per_second
            )
    if num_changed:
        what = (
            "extracted again"
            if follows_changes
            else "kept as they were; output.on_change: re-extract follows"
        )
        logger.warning("%d images changed since, %s: %s", num_changed, what, some(changed))
    there_s = sum(last_s - began_s for began_s in first_s.values())
    return ExtractionSpeed(counts.total(), span_s, len(first_s), there_s, detect_s, decode_s, write_s, busy_s)


def _pool(actors: int, most: int) -> ray.data.ActorPoolStrategy:
    """Return so many actors, and more while the cluster has room for them; each has two shards in hand."""
    return ray.data.ActorPoolStrategy(
        min_size=actors,
        max_size=most,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=2,
        enable_true_multi_threading=True,
    )


def _start_detectors(
    config: ExtractConfig,
    shards: Sequence[str],
    pool: ray.data.ActorPoolStrategy,
    memory: int | None,
    schema: pa.Schema,
) -> Generator[ShardResult]:
    """Start the actors and return the results as they come."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # All have two shards in hand while there is work. By default a pool grows when they have more than that.
    context.autoscaling_config.actor_pool_util_upscaling_threshold = 0.8
    context.autoscaling_config.actor_pool_util_downscaling_threshold = 0.0
    items = [{"shard": name} for name in shards]
    results = ray.data.from_items(items, override_num_blocks=len(items)).map(
        ShardExtractor,  # type: ignore[arg-type]  # a class of callables is what an actor pool takes
        fn_constructor_kwargs={"config": config, "schema": schema},
        compute=pool,
        num_cpus=1,
        memory=memory,
    )
    with closing(cast("Generator[dict[str, Any]]", iter(results.iter_rows()))) as rows:
        with NativeLogFilter(RAY_DATA_START_UP_LINES):
            first = next(rows)
        yield read_result(first)
        yield from map(read_result, rows)


# An error in form only: its remedy, small arguments by value, is not ours to apply to Ray Data's own.
RAY_DATA_START_UP_LINES = ("has constructor arguments in the object store and max_restarts > 0",)
