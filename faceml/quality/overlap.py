"""What two landmark tables have in common: an image of one split in another makes measurements too good."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from faceml.quality.duplicates import near_duplicates
from faceml.tables import read_table


@dataclass(frozen=True)
class NearPair:
    """An image, one of the other table that nearly equals it, and the bits of their hashes that differ."""

    image_id: str
    other_id: str
    bits: int


@dataclass(frozen=True)
class Overlap:
    """What a table has in common with another one.

    Attributes:
        table: The other table, a path or URI.
        images: Images compared, here and there.
        near: Those that have a near-duplicate in the other table, here and there.
        identical: Images here that are there as the very same file.
        num_pairs: Near-duplicate pairs in all.
        pairs: The closest of them.
    """

    table: str
    images: tuple[int, int]
    near: tuple[int, int]
    identical: int
    num_pairs: int
    pairs: tuple[NearPair, ...]

    @property
    def name(self) -> str:
        """The last part of the other table's place."""
        return self.table.partition("?")[0].rstrip("/").rpartition("/")[2]


def overlap_of(images: pa.Table, other_table: str | Path, max_hash_distance: int, most_pairs: int) -> Overlap:
    """Compare images with those of another table, by perceptual hash and by content.

    Args:
        images: With `image_id`, `content_sha256` and `dhash`, from `decoded_images`.
        other_table: A path or URI.
        max_hash_distance: Bits of 64 in which the hashes of near-duplicates differ, at most.
        most_pairs: Pairs named.
    """
    others = decoded_images(read_table(other_table, ["content_sha256", "dhash"]))
    found = near_duplicates(
        images["dhash"].to_numpy(), others["dhash"].to_numpy(), max_hash_distance, most_pairs
    )
    image_ids = images["image_id"].take(pa.array(found.first)).to_pylist()
    other_ids = others["image_id"].take(pa.array(found.second)).to_pylist()
    shared = pc.is_in(images["content_sha256"], value_set=others["content_sha256"])
    return Overlap(
        table=str(other_table),
        images=(images.num_rows, others.num_rows),
        near=(int(found.in_first.sum()), int(found.in_second.sum())),
        identical=pc.sum(shared).as_py() or 0,
        num_pairs=found.total,
        pairs=tuple(map(NearPair, image_ids, other_ids, found.distance.tolist())),
    )


def decoded_images(rows: pa.Table) -> pa.Table:
    """Drop what is no image: all empty files are equal, and it means nothing."""
    return rows.filter(pc.is_valid(rows["dhash"]))


def overlap_of_splits(train: str | Path, val: str | Path, max_hash_distance: int, most_pairs: int) -> Overlap:
    """Compare the images of a validation table with those of the training table."""
    images = decoded_images(read_table(val, ["content_sha256", "dhash"]))
    return overlap_of(images, train, max_hash_distance, most_pairs)
