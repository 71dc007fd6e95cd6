"""Near-duplicates between two landmark tables, and the audit for leakage between splits."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from faceml.config import ConfigError, DataConfig, LeakageConfig, RecognitionDataConfig
from faceml.errors import catch_errors
from faceml.quality.duplicates import SIGNED_HASH, near_duplicates
from faceml.runs import Ancestor, find_ancestors
from faceml.tables import (
    Connection,
    TableScan,
    TableSelection,
    build_selection,
    first_row,
    folder_columns,
    key_columns,
    load_table,
    open_database,
    table_columns,
)

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


def overlap_of(
    database: Connection, images: str, others: TableSelection, max_hash_distance: int, most_pairs: int
) -> Overlap:
    """Compare images with those of another table, by perceptual hash and by content.

    Args:
        database: Database of `open_database`.
        images: Name of a table of the database, as from `load_images`.
        others: Rows of another landmark table.
        max_hash_distance: Maximum Hamming distance of near-duplicates, bits of 64.
        most_pairs: Maximum number of pairs returned.
    """
    load_images(database, "theirs", others, [])
    found = near_duplicates(database, images, "theirs", max_hash_distance, most_pairs)
    ((num_ours, num_theirs, identical),) = database.execute(
        f"select (select count(*) from {images}), (select count(*) from theirs), "
        f"(select count(*) from {images} where content_sha256 in (select content_sha256 from theirs))"
    ).fetchall()
    return Overlap(
        table=others.table,
        images=(num_ours, num_theirs),
        near=(found.in_first, found.in_second),
        identical=identical,
        num_pairs=found.total,
        pairs=tuple(NearPair(*pair) for pair in found.pairs),
    )


def load_images(database: Connection, name: str, images: TableSelection, columns: Sequence[str]) -> None:
    """Load the decoded images of a landmark table as a table of a database.

    Images that could not be decoded are left out; empty files, for instance, are all identical.

    Args:
        database: Database of `open_database`.
        name: Name of the new table. It has `image_id`, `content_sha256`, and `dhash` as `SIGNED_HASH`.
        images: Rows of the landmark table.
        columns: Further columns.
    """
    rows = _rows(images, [*columns, "content_sha256", "dhash"])
    wanted = is_decoded_image(rows.schema.names)
    load_table(database, name, rows, f"select * replace ({SIGNED_HASH} as dhash) from rows where {wanted}")


def is_decoded_image(columns: Iterable[str]) -> str:
    """Return the SQL condition of the first row of each image that could be decoded.

    Args:
        columns: Columns of the rows.
    """
    return f"dhash is not null and {first_row(columns)}"


def _rows(selection: TableSelection, columns: Sequence[str]) -> TableScan | pa.Table:
    """Return `image_id` and other columns of the rows of a selection, of a whole table as a scan."""
    if selection.where:
        return selection.read(columns).rows
    return TableScan(selection.table, [*key_columns(table_columns(selection.table)), *columns])


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
    audit = LeakageAudit("validation", "the starting weights ", config.leakage, "data.leakage.on_found")
    trained_on = [(build_selection(config.train), "the training split")]
    return audit(build_selection(config.val), weights, trained_on).found


class LeakageFindings(NamedTuple):
    """Result of a search for leakage.

    Attributes:
        found: What was found, a sentence for each split.
        unknown: Models whose training images could not be searched, a sentence each.
    """

    found: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class LeakageAudit:
    """Search for images in the splits that models were trained on.

    Attributes:
        noun: What the images are, such as `validation`.
        models: What precedes the names of models, such as `the starting weights `.
        leakage: Settings of the search.
        setting: Key of `on_found`, for the error.
    """

    noun: str
    models: str
    leakage: LeakageConfig
    setting: str

    def __call__(
        self,
        images: TableSelection,
        weights: Iterable[str],
        trained_on: Iterable[tuple[TableSelection, str]] = (),
    ) -> LeakageFindings:
        """Return what was found and what is unknown; both are also logged.

        Args:
            images: The images to search for.
            weights: Files of models; everything behind them is searched.
            trained_on: Further splits to search, with descriptions.

        Raises:
            ConfigError: Something was found, and `leakage.on_found` is `strict`.
        """
        if self.leakage.on_found == "ignore":
            return LeakageFindings([], [])
        splits, findings, unknown = list(trained_on), list[str](), list[str]()
        ancestors = {ancestor.place: ancestor for each in weights for ancestor in find_ancestors(each)}
        trained: dict[str, tuple[TableSelection, list[Ancestor]]] = {}
        for ancestor in ancestors.values():
            split = ancestor.training_split
            if split is None or not _is_readable(split):
                reason = "are unknown" if split is None else f"cannot be read from {split}"
                unknown.append(
                    f"{ancestor.place}: the images that these weights were trained on {reason}: they may "
                    f"contain {self.noun} images."
                )
                continue
            trained.setdefault(str(split), (split, []))[1].append(ancestor)
        with open_database() as database:
            load_images(database, "ours", images, folder_columns(images.table))
            for split, of_it in trained.values():
                whose = f"the training split of {self.models}{' and '.join(each.place for each in of_it)}"
                splits.append((split, whose))
                if any(each.is_recognition for each in of_it):
                    findings += self._shared_people(database, images, split, whose)
            for split, whose in splits:
                findings += self._near_images(database, split, whose)
        for sentence in unknown:
            logger.warning("%s", sentence)
        if findings and self.leakage.on_found == "strict":
            raise ConfigError(
                f"{self.setting}: strict: {' '.join(findings)} Remove them from one split, use other "
                "weights, or set it to warn."
            )
        for finding in findings:
            logger.warning("%s", finding)
        return LeakageFindings(findings, unknown)

    def _near_images(self, database: Connection, split: TableSelection, whose: str) -> list[str]:
        """Return a sentence on the images that have near-duplicates in a split, if any."""
        found = overlap_of(database, "ours", split, self.leakage.max_hash_distance, MOST_NAMED)
        if not found.num_pairs:
            logger.info("No %s image has a near-duplicate in %s.", self.noun, whose)
            return []
        pairs = ", ".join(f"{pair.image_id} = {pair.other_id}" for pair in found.pairs)
        return [
            f"{found.near[0]} of {found.images[0]} {self.noun} images have a near-duplicate in {whose} "
            f"({pairs}{', …' if found.num_pairs > len(found.pairs) else ''}): {self.noun} metrics are "
            "optimistic."
        ]

    def _shared_people(
        self, database: Connection, images: TableSelection, split: TableSelection, whose: str
    ) -> list[str]:
        """Return a sentence on the people who have the name of one in a split, if any."""
        columns = [folder_columns(each.table) for each in (images, split)]
        person = "source || '/' || folder" if all("source" in names for names in columns) else "folder"
        for table, selection, names in zip(("people", "others"), (images, split), columns, strict=True):
            load_table(
                database, table, _rows(selection, names), f"select distinct {person} as name from rows"
            )
        ((number, shared, first),) = database.execute(
            f"select count(*), count(others.name), min(others.name, {MOST_NAMED}) "
            "from people left join others using (name)"
        ).fetchall()
        if not shared:
            return []
        return [
            f"{shared} of {number} {self.noun} people have the name of a person in {whose} "
            f"({', '.join(first)}{', …' if shared > len(first) else ''}): they are not unseen."
        ]


def _is_readable(split: TableSelection) -> bool:
    with catch_errors(ConfigError, OSError):
        _rows(split, [])
        return True
    return False
