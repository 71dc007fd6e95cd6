"""Comparison of the images of a job with its table."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from faceml.config import ConfigError, dotted_keys
from faceml.extraction import TableDiff, compare_with_table, read_table_state
from faceml.formats import find_import_commands
from faceml.page import first_names
from faceml.storage import StorageFolder, StorageRoots
from faceml.tables import (
    PLAN_FILE,
    QueryLimits,
    Shard,
    distinct_schemas,
    list_image_batches,
    read_metadata,
    read_shard_schema,
)
from ray_jobs.tables.earlier_tables import defaults_of_earlier_versions
from ray_jobs.tables.table_job import TableJob

logger = logging.getLogger(__name__)

LIMITS = QueryLimits()
SHARE_OF_MEMORY = 0.5
"""Share of `queries.memory_gib` for the comparison, which holds parts of the listing beside it."""
MAX_DELETED = 0.5
"""Share of deleted images above which a table is assumed to belong to another root."""


def compute_diff(job: TableJob, scratch: Path, limits: QueryLimits = LIMITS) -> TableDiff:
    """List the images and compare them with the table.

    Args:
        job: The job.
        scratch: Local folder for lists of files, needed as long as the result.
        limits: Limits of memory of the job's queries.

    Raises:
        ConfigError: No images, or a table of other settings or of another folder.
    """
    table, roots = StorageFolder(job.table), StorageRoots(job.extractor.root)
    state = read_table_state(table, scratch, roots.sources)
    require_same_settings(table, state.images.shards, job.schema)
    diff = compare_with_table(
        list_image_batches(roots, job.extensions, job.extractor.follow_links),
        state,
        scratch,
        follow_changes=job.follows_changes,
        has_sources=bool(roots.sources),
        limits=limits._replace(memory_gib=SHARE_OF_MEMORY * limits.memory_gib),
    )
    for source, folder in roots.folders.items():
        if not diff.listed.get(source):
            raise _no_images(job, source, folder)
    for source, folder in roots.folders.items():
        deleted = diff.deleted.get(source)
        if deleted and deleted.number > MAX_DELETED * diff.by_source[source]:
            raise ConfigError(
                f"output.table: {job.table} has {deleted.number} images that are not below "
                f"{_root_key(job, source)} {folder.uri}, such as {deleted.names[0]}. Correct "
                f"{_root_key(job, source)}, or choose another output.table. If you deleted more than half of "
                "the images, delete them in several steps, with an extraction after each."
            )
    return diff


def _root_key(job: TableJob, source: str | None) -> str:
    return job.root_key if source is None else f"{job.root_key}.{source}"


def _no_images(job: TableJob, source: str | None, folder: StorageFolder) -> ConfigError:
    nothing = f"{_root_key(job, source)}: no images below {folder.uri}"
    for data_set, command in find_import_commands(folder.uri).items():
        return ConfigError(f"{nothing}: this is {data_set} in its original layout. Run `{command}` first.")
    return ConfigError(f"{nothing}. data.extensions are {', '.join(job.extensions)}.")


def log_import_commands(job: TableJob) -> None:
    """Log the commands that import the labels of data sets whose images are extracted where they are."""
    for data_set, command in find_import_commands(job.extractor.root).items():
        logger.info("This is %s in its original layout. To import its labels, run `%s`", data_set, command)


def log_deleted(job: TableJob, diff: TableDiff) -> None:
    """Log the names of images of the table that are deleted."""
    roots, effect = StorageRoots(job.extractor.root), "dropped" if job.follows_changes else "kept"
    deleted = [count for source, count in diff.deleted.items() if source in roots.folders]
    if deleted:
        logger.warning(
            "%d images of the table no longer exist; their rows are %s: %s",
            sum(count.number for count in deleted),
            effect,
            first_names(sorted(name for count in deleted for name in count.names)),
        )
    for source in sorted(name or "" for name in diff.by_source.keys() - roots.folders.keys()):
        logger.warning(
            "%s.%s is not set, but the table has %d images of this source; their rows are %s.",
            job.root_key,
            source,
            diff.by_source[source],
            effect,
        )


def require_same_settings(table: StorageFolder, shards: Sequence[Shard], schema: pa.Schema) -> None:
    """Check that a table and its plan were made with the same settings and model.

    Args:
        table: Folder of the table.
        shards: Its shards; those that the plan has written have the plan's settings.
        schema: Schema with the settings of this job.

    Raises:
        ConfigError: A setting differs.
    """
    wanted = _settings(read_metadata(schema, "the configuration"))
    schemas = {shard.name: shard.schema for shard in distinct_schemas(shards)}
    if table.has(PLAN_FILE):
        schemas[PLAN_FILE] = read_shard_schema(table, PLAN_FILE)
    for name, made_with in schemas.items():
        stored = _settings(read_metadata(made_with, f"{table.uri}/{name}"))
        differing = [
            f"{key} is {stored.get(key)!r} there and {wanted.get(key)!r} here"
            for key in sorted(stored.keys() | wanted.keys())
            if stored.get(key) != wanted.get(key)
        ]
        if differing:
            raise ConfigError(
                f"output.table: {table.uri} was made with other settings: {'; '.join(differing)}. "
                "Choose another output.table, or the same settings."
            )


def _settings(metadata: Mapping[str, str]) -> dict[str, Any]:
    detector = json.loads(metadata["faceml.detector"])
    settings = dotted_keys({"detector": detector} | json.loads(metadata["faceml.extraction"]))
    return defaults_of_earlier_versions(settings) | settings
