"""The part of a table's making that is done on Ray: shards in, shards out."""

import logging
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import ray
import ray.data

from faceml.config import OnEveryNode, local_paths
from faceml.errors import StoppedError
from faceml.landmarks import NativeLogFilter
from faceml.page import ProgressReport, first_names
from faceml.reporting import ExtractionSpeed
from faceml.storage import StorageFolder
from faceml.tables import MOST_NAMED, PLAN_FILE, Difference, cut_into_shards, write_plan
from ray_jobs.cluster import (
    RayCluster,
    ShardMetrics,
    cluster_cpus_with_memory,
    cluster_resources,
    require_reach,
    require_resources,
)
from ray_jobs.tables.job import ShardJob
from ray_jobs.tables.worker import ShardResult, ShardWorker, read_result

logger = logging.getLogger(__name__)


def complete_table(job: ShardJob, work: Difference) -> ExtractionSpeed:
    """Bring a table up to date; return where the time went."""
    table, speed = StorageFolder(job.table), ExtractionSpeed()
    for name in work.emptied:
        table.delete(name)
    if work.num_to_extract or work.stale:
        speed = make_shards(job, work)
    table.delete(PLAN_FILE)
    table.sweep_partial()
    return speed


def make_shards(job: ShardJob, work: Difference) -> ExtractionSpeed:
    """Make the shards that are missing or out of date on the cluster; return where the time went."""
    with RayCluster() as cluster:
        require_reach(job.config)
        wait_s = job.wait_for_nodes_s if cluster.may_grow else 0.0
        each = {"CPU": 1.0} | ({"GPU": job.gpus_each} if job.gpus_each else {})
        require_resources([each], job.workers_key, wait_s)
        cpus, gpus = cluster_cpus_with_memory(job.bytes_each), int(cluster_resources().get("GPU", 0))
        actors = most_at_once(cpus, gpus, job.gpus_each) if job.actors == "auto" else job.actors
        may_grow = cluster.may_grow and job.actors == "auto" and _is_reached_by_all(job)
        new = cut_into_shards(work.new, job.images_per_shard, actors)
        shards = work.stale | work.begun | new
        write_plan(shards, StorageFolder(job.table), job.schema)
        actors = min(actors, len(shards))
        logger.info("%d images to %s, by %d actors", work.num_to_extract, job.name, actors)
        pool = _pool(actors, len(shards) if may_grow else actors)
        # Closed while Ray is there: threads of an iterator that is left in the middle ask it for more.
        memory = job.bytes_each if may_grow else None
        with (
            ShardMetrics(job.name, job.run_folder, work.num_to_extract) as metrics,
            closing(_start_workers(job, list(shards), pool, memory)) as results,
        ):
            return _watch(results, work, job, metrics)


def most_at_once(cpus: int, gpus: int, gpus_each: float) -> int:
    """Return how many actors there is room for, at least 1.

    Args:
        cpus: That are there, with memory for an actor each.
        gpus: That are there.
        gpus_each: What an actor takes of a GPU, from 0 to 1: its share is of one of them.
    """
    return max(1, min(cpus, gpus * int(1 / gpus_each))) if gpus_each else cpus


def _is_reached_by_all(job: ShardJob) -> bool:
    """Say whether nodes that join later find images and table too."""
    return job.shared or not any(local_paths(job.config, OnEveryNode))


def _watch(
    results: Iterator[ShardResult], work: Difference, job: ShardJob, metrics: ShardMetrics
) -> ExtractionSpeed:
    """Show progress while shards are made.

    Raises:
        StoppedError: A worker cannot go on.
    """
    first_s, last_s, span_s, counts = dict[str, float](), 0.0, 0.0, Counter[str]()
    decode_s = detect_s = write_s = busy_s = 0.0
    changed, num_changed = list[str](), 0
    with ProgressReport(job.name, work.num_to_extract) as progress:
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
            "made again" if job.follows_changes else "kept as they were; output.on_change: re-extract follows"
        )
        logger.warning("%d images changed since, %s: %s", num_changed, what, first_names(changed))
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


def _start_workers(
    job: ShardJob, shards: Sequence[str], pool: ray.data.ActorPoolStrategy, memory: int | None
) -> Generator[ShardResult]:
    """Start the actors and return the results as they come."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # All have two shards in hand while there is work. By default a pool grows when they have more than that.
    context.autoscaling_config.actor_pool_util_upscaling_threshold = 0.8
    context.autoscaling_config.actor_pool_util_downscaling_threshold = 0.0
    items = [{"shard": name} for name in shards]
    results = ray.data.from_items(items, override_num_blocks=len(items)).map(
        ShardWorker,  # type: ignore[arg-type]  # a class of callables is what an actor pool takes
        fn_constructor_kwargs={"job": job},
        compute=pool,
        num_cpus=1,
        num_gpus=job.gpus_each or None,
        memory=memory,
    )
    with closing(cast("Generator[dict[str, Any]]", iter(results.iter_rows()))) as rows:
        with NativeLogFilter(RAY_DATA_START_UP_LINES):
            first = next(rows)
        yield read_result(first)
        yield from map(read_result, rows)


# An error in form only: its remedy, small arguments by value, is not ours to apply to Ray Data's own.
RAY_DATA_START_UP_LINES = ("has constructor arguments in the object store and max_restarts > 0",)
