"""What there is to do for a table: the listing of its images compared with it."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from faceml.config import ConfigError
from faceml.page import first_names
from faceml.storage import StorageFolder
from faceml.tables import (
    PLAN_FILE,
    Difference,
    compare,
    list_images,
    read_metadata,
    read_shard_schema,
    shard_names,
)
from ray_jobs.tables.job import ShardJob

logger = logging.getLogger(__name__)

MOST_VANISHED = 0.5
"""A table of which more is not below the root belongs to another root."""


def find_work(job: ShardJob) -> Difference:
    """List the images and compare them with the table.

    Raises:
        ConfigError: No images, or a table of other settings or of another folder.
    """
    table, root = StorageFolder(job.table), job.rows.root
    refuse_other_settings(table, job.schema)
    listing = list_images(StorageFolder(root), job.extensions, job.rows.follow_links)
    if not listing.num_rows:
        raise ConfigError(
            f"{job.root_key}: no images below {root}. data.extensions are {', '.join(job.extensions)}."
        )
    work = compare(listing, table, follow_changes=job.follows_changes)
    if len(work.vanished) > MOST_VANISHED * work.known:
        raise ConfigError(
            f"output.table: {job.table} has {len(work.vanished)} images that are not below "
            f"{job.root_key} {root}, such as {work.vanished[0]}. Choose another output.table."
        )
    return work


def say_what_changed(job: ShardJob, work: Difference) -> None:
    """Name images of the table that are no longer there."""
    if work.vanished:
        what = "dropped" if job.follows_changes else "kept in the table"
        logger.warning(
            "%d images of the table are no longer there and %s: %s",
            len(work.vanished),
            what,
            first_names(work.vanished),
        )


def refuse_other_settings(table: StorageFolder, schema: pa.Schema) -> None:
    """Refuse a table, or a plan for one, that was made with other settings or another model.

    Raises:
        ConfigError: Names what differs.
    """
    wanted = _settings(read_metadata(schema, "the configuration"))
    plan = [PLAN_FILE] if table.has(PLAN_FILE) else []
    for name in [*shard_names(table), *plan]:
        stored = _settings(read_metadata(read_shard_schema(table, name), f"{table.uri}/{name}"))
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
    return dict(_leaves({"detector": detector} | json.loads(metadata["faceml.extraction"]), ""))


def _leaves(section: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    return [
        leaf
        for key, value in section.items()
        for leaf in (
            _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, value)]
        )
    ]
