"""Quality of a landmark table: head pose, duplicates, plausibility of the landmarks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from faceml.quality.duplicates import SIGNED_HASH, conflicting_duplicates
from faceml.quality.landmarks import ANGLES, NUM_LANDMARKS, AngleSpread, Implausible, assess_landmarks
from faceml.quality.overlap import Overlap, is_decoded_image, overlap_of
from faceml.runs import QUALITY_FILE
from faceml.tables import (
    DEFAULT_LIMITS,
    QueryLimits,
    TableScan,
    TableSelection,
    key_columns,
    landmark_column,
    load_table,
    open_database,
    table_columns,
)

COLUMNS = (
    "folder",
    "content_sha256",
    "dhash",
    "width",
    "height",
    landmark_column(NUM_LANDMARKS),
    *(f"{name}_deg" for name in ANGLES),
)
"""Columns that are assessed."""
MOST_LISTED = 10_000
"""Maximum number of duplicate pairs and groups that are kept; all are counted."""


@dataclass(frozen=True)
class ExtractionQuality:
    """Findings about a landmark table.

    Attributes:
        faces: Number of rows with landmarks.
        pose: Distributions of yaw, pitch and roll; empty without faces.
        max_hash_distance: Maximum Hamming distance of near-duplicates, bits of 64.
        overlaps: Overlap with each other table.
        num_conflicts: Number of files that are in several folders.
        conflicts: The images of each such file.
        median_distance: Median distance of the landmarks from the expected shape.
        least_plausible: Faces with the largest distances, in descending order.
        has_sources: Whether the names of images begin with their source.
    """

    faces: int
    pose: tuple[AngleSpread, ...]
    max_hash_distance: int
    overlaps: tuple[Overlap, ...]
    num_conflicts: int
    conflicts: tuple[tuple[str, ...], ...]
    median_distance: float
    least_plausible: tuple[Implausible, ...]
    has_sources: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the content of `quality.json`."""
        return asdict(self)


def read_quality(run_folder: Path) -> ExtractionQuality | None:
    """Read the `quality.json` of an extraction; None if it does not exist."""
    file = run_folder / QUALITY_FILE
    return TypeAdapter(ExtractionQuality).validate_json(file.read_bytes()) if file.is_file() else None


def assess_quality(
    table: str | Path,
    other_tables: Sequence[str],
    max_hash_distance: int,
    least_plausible: int,
    limits: QueryLimits = DEFAULT_LIMITS,
) -> ExtractionQuality:
    """Assess the quality of a landmark table, of any size.

    Args:
        table: Landmark table, a path or URI.
        other_tables: Tables of the other splits, which should not share images with this one.
        max_hash_distance: Maximum Hamming distance of the perceptual hashes of near-duplicates, bits of 64.
        least_plausible: Number of least plausible images to return.
        limits: Limits of memory. The temporary files take about 200 bytes for each row of the table.

    Raises:
        ConfigError: One of the tables cannot be read.
        StoppedError: The temporary files need more space than there is.
    """
    columns = table_columns(table)
    keys, sources = key_columns(columns), [name for name in ("source",) if name in columns]
    with open_database(limits=limits) as database:
        rows = TableScan(table, [*keys, *sources, *COLUMNS])
        load_table(database, "everything", rows, f"select * replace ({SIGNED_HASH} as dhash) from rows")
        database.execute(f"create view ours as select * from everything where {is_decoded_image(keys)}")
        others = map(TableSelection, other_tables)
        overlaps = [overlap_of(database, "ours", other, max_hash_distance, MOST_LISTED) for other in others]
        same = ", ".join(["content_sha256", *sources])
        num_conflicts, conflicts = conflicting_duplicates(database, "ours", same, MOST_LISTED)
        landmarks = assess_landmarks(database, "everything", keys, least_plausible)
    return ExtractionQuality(
        max_hash_distance=max_hash_distance,
        overlaps=tuple(overlaps),
        num_conflicts=num_conflicts,
        conflicts=tuple(conflicts),
        has_sources=bool(sources),
        **landmarks._asdict(),
    )
