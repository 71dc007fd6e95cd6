"""Near-duplicates between two landmark tables, and the audit for leakage between splits."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from faceml.config import ConfigError, DataConfig, RecognitionDataConfig
from faceml.errors import catch_errors
from faceml.page import first_names
from faceml.quality.duplicates import near_duplicates
from faceml.tables import TableSelection, build_selection, first_rows, folder_columns, qualified_folders

logger = logging.getLogger(__name__)

MOST_NAMED = 3
"""Number of pairs named by the audit."""


@dataclass(frozen=True)
class NearPair:
    """An image, its near-duplicate in the other table, and the Hamming distance of their hashes in bits."""

    image_id: str
    other_id: str
    bits: int


@dataclass(frozen=True)
class Overlap:
    """Overlap of a table with another one.

    Attributes:
        table: The other table, a path or URI.
        images: Number of images compared, in this and in the other table.
        near: Number of images with a near-duplicate in the other table, for this and for the other table.
        identical: Number of images of this table whose file is also in the other one.
        num_pairs: Number of near-duplicate pairs.
        pairs: The closest pairs.
    """

    table: str
    images: tuple[int, int]
    near: tuple[int, int]
    identical: int
    num_pairs: int
    pairs: tuple[NearPair, ...]

    @property
    def name(self) -> str:
        """Name of the other table: the last part of its path."""
        return self.table.partition("?")[0].rstrip("/").rpartition("/")[2]


def overlap_of(images: pa.Table, others: TableSelection, max_hash_distance: int, most_pairs: int) -> Overlap:
    """Compare images with those of another table, by perceptual hash and by content.

    Args:
        images: Table with `image_id`, `content_sha256` and `dhash`, from `decoded_images`.
        others: Rows of another landmark table.
        max_hash_distance: Maximum Hamming distance of near-duplicates, bits of 64.
        most_pairs: Maximum number of pairs returned.
    """
    other_images = decoded_images(others.read(["content_sha256", "dhash"]).rows)
    found = near_duplicates(
        images["dhash"].to_numpy(), other_images["dhash"].to_numpy(), max_hash_distance, most_pairs
    )
    image_ids = images["image_id"].take(pa.array(found.first)).to_pylist()
    other_ids = other_images["image_id"].take(pa.array(found.second)).to_pylist()
    shared = pc.is_in(images["content_sha256"], value_set=other_images["content_sha256"])
    return Overlap(
        table=others.table,
        images=(images.num_rows, other_images.num_rows),
        near=(int(found.in_first.sum()), int(found.in_second.sum())),
        identical=pc.sum(shared).as_py() or 0,
        num_pairs=found.total,
        pairs=tuple(map(NearPair, image_ids, other_ids, found.distance.tolist())),
    )


def decoded_images(rows: pa.Table) -> pa.Table:
    """Return one row for each image that could be decoded; empty files, for instance, are all identical."""
    images = first_rows(rows)
    return images.filter(pc.is_valid(images["dhash"]))


def audit_leakage(config: DataConfig | RecognitionDataConfig, weights: Iterable[str] = ()) -> list[str]:
    """Search for validation images in the training split and in those behind the starting weights.

    Starting weights may come from other weights; all trainings behind them are searched. If one of them
    learned to tell people apart, its people are searched for by name too.

    Args:
        config: Data of a training.
        weights: Values of `model.weights` of the trainings on these data.

    Returns:
        What was found, a sentence for each split; it is also logged.

    Raises:
        ConfigError: Something was found, and `leakage.on_found` is `strict`.
    """
    from faceml.runs import find_ancestors  # late: it imports PyTorch, which extraction does not need

    leakage = config.leakage
    if leakage.on_found == "ignore":
        return []
    val = (
        build_selection(config.val).read([*folder_columns(config.val.table), "content_sha256", "dhash"]).rows
    )
    images, splits = decoded_images(val), [(build_selection(config.train), "the training split")]
    findings = list[str]()
    ancestors = {ancestor.place: ancestor for each in weights for ancestor in find_ancestors(each)}
    for ancestor in ancestors.values():
        split, whose = ancestor.training_split, f"the training split of the starting weights {ancestor.place}"
        if split is None or not _is_readable(split):
            logger.warning(
                "%s: the images that these starting weights were trained on %s: they may contain validation "
                "images.",
                ancestor.place,
                "are unknown" if split is None else f"cannot be read from {split}",
            )
            continue
        splits.append((split, whose))
        if ancestor.is_recognition:
            findings += _shared_people(val, split, whose)
    for split, whose in splits:
        found = overlap_of(images, split, leakage.max_hash_distance, MOST_NAMED)
        if not found.num_pairs:
            logger.info("No validation image has a near-duplicate in %s.", whose)
            continue
        pairs = ", ".join(f"{pair.image_id} = {pair.other_id}" for pair in found.pairs)
        findings.append(
            f"{found.near[0]} of {found.images[0]} validation images have a near-duplicate in {whose} "
            f"({pairs}{', …' if found.num_pairs > len(found.pairs) else ''}): validation metrics are "
            "optimistic."
        )
    if findings and leakage.on_found == "strict":
        raise ConfigError(
            f"data.leakage.on_found: strict: {' '.join(findings)} Remove them from one split, start from "
            "other weights, or set it to warn."
        )
    for finding in findings:
        logger.warning("%s", finding)
    return findings


def _shared_people(val: pa.Table, split: TableSelection, whose: str) -> list[str]:
    """Return a sentence on the people of a split who have the name of one in another split, if any."""
    rows = split.read(folder_columns(split.table)).rows
    have_sources = all("source" in each.column_names for each in (val, rows))
    names = [qualified_folders(each) if have_sources else each["folder"] for each in (val, rows)]
    people, others = (set(pc.unique(folders).to_pylist()) for folders in names)
    shared = sorted(people & others)
    if not shared:
        return []
    return [
        f"{len(shared)} of {len(people)} validation people have the name of a person in {whose} "
        f"({first_names(shared, MOST_NAMED)}): they are not unseen."
    ]


def _is_readable(split: TableSelection) -> bool:
    with catch_errors(ConfigError, OSError):
        split.read([])
        return True
    return False
