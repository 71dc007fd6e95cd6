"""Dividing a listing of images into the shards of a table."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One Parquet file to be made: its name and the images that go into it."""

    name: str
    image_ids: tuple[str, ...]


def plan_shards(image_ids: Sequence[str], images_per_shard: int, workers: int) -> list[Shard]:
    """Cut a listing into shards, deterministically: the same listing gives the same names.

    Small jobs get smaller shards, so that every worker has several and none is left with the last long one.

    Args:
        image_ids: In the order in which they are cut.
        images_per_shard: Most images in one shard.
        workers: Processes that will share the work.
    """
    size = max(1, min(images_per_shard, -(-len(image_ids) // (workers * SHARDS_PER_WORKER))))
    parts = [tuple(image_ids[start : start + size]) for start in range(0, len(image_ids), size)]
    return [Shard(f"part-{_digest(part)}.parquet", part) for part in parts]


# The last shard keeps one worker busy alone for 1/16 of its share at most: 3 % of the job on average.
SHARDS_PER_WORKER = 16


def _digest(image_ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(image_ids).encode()).hexdigest()[:16]
