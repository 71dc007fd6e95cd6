"""Pool of actors on Ray Data that completes a table."""

import logging
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from faceml.config import OnEveryNode, local_paths
from faceml.errors import StoppedError
from faceml.extraction import MAX_NAMES, ShardFileList, TableDiff, encode_files, split_into_shards, write_plan
from faceml.page import ProgressReport, first_names
from faceml.reporting import ExtractionSpeed
from faceml.stderr_filter import StderrFilter
from faceml.storage import StorageFolder
from faceml.tables import PLAN_FILE, store_manifest, update_manifest
from ray_jobs.cluster import (
    RayCluster,
    ShardMetrics,
    cluster_nodes,
    count_placed,
    data_without_helpers,
    require_reach,
    require_resources,
    worker_bundle,
)
from ray_jobs.tables.shard_actor import ShardActor, ShardResult, read_result
from ray_jobs.tables.table_job import TableJob

if TYPE_CHECKING:
    from ray.data import ActorPoolStrategy

logger = logging.getLogger(__name__)


@contextmanager
def complete_table(job: TableJob, diff: TableDiff, *imports: str) -> Iterator[ExtractionSpeed]:
    """Update a table, and yield the speed; Ray's processes end while the block runs.

    Args:
        job: The job.
        diff: Its images in comparison with the table.
        *imports: Modules that the block uses, imported while Ray starts.
    """
    table, speed = StorageFolder(job.table), ExtractionSpeed()
    if not diff.images.is_stored and diff.images.parts:
        store_manifest(table, diff.images)  # what was read of the shards serves an interrupted extraction too
    for name in diff.empty:
        table.delete(name)
    with ExitStack() as stack:
        if diff.num_to_extract or diff.stale.num_shards:
            cluster = stack.enter_context(RayCluster(*imports))
            speed = extract_shards(job, diff, cluster)
            cluster.disconnect()
        if not (diff.is_empty and diff.images.is_stored):
            update_manifest(table)
        table.delete(PLAN_FILE)
        table.sweep_partial()
        yield speed


def extract_shards(job: TableJob, diff: TableDiff, cluster: RayCluster) -> ExtractionSpeed:
    """Extract missing and outdated shards on the cluster, and measure the speed."""
    require_reach(job.config)
    wait_s = job.wait_for_nodes_s if cluster.may_grow else 0.0
    each = worker_bundle(1, job.gpus_each)
    require_resources([each], job.workers_key, wait_s)
    with_memory = each | {"memory": float(job.bytes_each)}
    actors = max(1, count_placed(cluster_nodes(), with_memory)) if job.actors == "auto" else job.actors
    may_grow = cluster.may_grow and job.actors == "auto" and _may_use_new_nodes(job)
    shards = write_plan(
        [
            ("written", diff.plan.written.shards()),
            ("stale", diff.stale.shards()),
            ("new", diff.plan.unfinished.shards()),
            ("new", split_into_shards(diff.new, job.images_per_shard, actors)),
        ],
        StorageFolder(job.table),
        job.schema,
        diff.scratch,
    )
    actors = min(actors, shards.num_shards)
    number = diff.num_to_read(follow_changes=job.follows_changes)
    logger.info("%d images to %s, by %d actors", number, job.name, actors)
    pool = _pool(actors, shards.num_shards if may_grow else actors)
    # Closed before Ray is: the threads of an unfinished iterator still request results.
    memory = job.bytes_each if may_grow else None
    with (
        ShardMetrics(job.name, job.run_folder, number) as metrics,
        data_without_helpers(),
        closing(_start_actors(job, shards, pool, memory)) as results,
    ):
        return _collect(results, diff, job, metrics)


def _may_use_new_nodes(job: TableJob) -> bool:
    """Return whether nodes that join later can access the images and the table."""
    return job.shared or not any(local_paths(job.config, OnEveryNode))


def _collect(
    results: Iterator[ShardResult], diff: TableDiff, job: TableJob, metrics: ShardMetrics
) -> ExtractionSpeed:
    """Collect the results of shards, and report progress.

    Raises:
        StoppedError: An actor cannot continue.
    """
    first_s, last_s, span_s, counts = dict[str, float](), 0.0, 0.0, Counter[str]()
    decode_s = detect_s = write_s = busy_s = 0.0
    changed, num_changed = list[str](), 0
    with ProgressReport(job.name, diff.num_to_read(follow_changes=job.follows_changes)) as progress:
        for result in results:
            if result.stopped:
                reason = result.stopped.rstrip(".")
                raise StoppedError(f"{reason}. The same command continues from what is finished.")
            first_s[result.detector] = min(first_s.get(result.detector, result.started_s), result.started_s)
            last_s = max(last_s, result.ended_s)
            counts.update(result.extracted)
            decode_s, detect_s = decode_s + result.decode_s, detect_s + result.detect_s
            write_s, busy_s = write_s + result.write_s, busy_s + result.extracted_s - result.started_s
            changed, num_changed = [*changed, *result.changed][:MAX_NAMES], num_changed + result.num_changed
            by_status = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
            span_s = last_s - min(first_s.values())
            images_per_second = counts.total() / span_s
            progress.advance_to(counts.total(), f"{images_per_second:.1f} images/s, {by_status}")
            metrics.report_shard(
                result.extracted, result.node, result.extracted_s - result.started_s, images_per_second
            )
    if num_changed:
        action = "updated" if job.follows_changes else "kept (update them with output.on_change: re-extract)"
        logger.warning("%d images changed; their rows are %s: %s", num_changed, action, first_names(changed))
    actors_s = sum(last_s - start_s for start_s in first_s.values())
    return ExtractionSpeed(
        counts.total(), span_s, len(first_s), actors_s, detect_s, decode_s, write_s, busy_s
    )


def _pool(actors: int, most: int) -> "ActorPoolStrategy":
    """Return a pool that starts with `actors` and grows to `most`; each actor has two shards in flight."""
    from ray.data import ActorPoolStrategy  # late: it is imported while Ray starts

    return ActorPoolStrategy(
        min_size=actors,
        max_size=most,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=2,
        enable_true_multi_threading=True,
    )


def _start_actors(
    job: TableJob, shards: ShardFileList, pool: "ActorPoolStrategy", memory: int | None
) -> Generator[ShardResult]:
    """Start the actors, and yield the results of shards in any order."""
    from ray.data import DataContext, from_items  # late: they are imported while Ray starts

    context = DataContext.get_current()
    context.enable_progress_bars = False
    # Each actor has two shards in flight. By default a pool grows only when they have more.
    context.autoscaling_config.actor_pool_util_upscaling_threshold = 0.8
    context.autoscaling_config.actor_pool_util_downscaling_threshold = 0.0
    items = from_items(
        [{"shard": shard.name, "files": encode_files(shard.files)} for shard in shards.shards()],
        override_num_blocks=shards.num_shards,
    )
    results = items.map(
        ShardActor,  # type: ignore[arg-type]  # a class of callables is what an actor pool takes
        fn_constructor_kwargs={"job": job},
        compute=pool,
        num_cpus=1,
        num_gpus=job.gpus_each or None,
        memory=memory,
    )
    with closing(cast("Generator[dict[str, Any]]", iter(results.iter_rows()))) as rows:
        with StderrFilter(RAY_DATA_START_UP_LINES):
            first = next(rows)
        yield read_result(first)
        yield from map(read_result, rows)


# Logged as an error, but harmless; it concerns arguments that Ray Data passes itself.
RAY_DATA_START_UP_LINES = ("has constructor arguments in the object store and max_restarts > 0",)
