"""What is worth knowing of a landmark table before anything is trained on it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from faceml.datasets.duplicates import conflicting_duplicates, near_duplicates
from faceml.datasets.landmark_table import read_table
from faceml.metrics.plausibility import implausibility
from faceml.run_files import QUALITY_FILE
from faceml.schema import landmark_column

NUM_LANDMARKS = 10
"""The larger set shows more of what can be wrong."""
MOST_LISTED = 10_000
"""Pairs and groups of duplicates that are kept; more are only counted."""

ANGLES = {"yaw": "to the right", "pitch": "upwards", "roll": "clockwise"}
"""Head pose, and where a positive angle points as the viewer sees it."""
LARGEST_DISTANCE = 9999.0  # stands for infinity, which JSON does not know
PERCENTILES = (5, 25, 50, 75, 95)
TURNED_DEG = 30
BIN_DEG, MOST_DEG = 5, 90


@dataclass(frozen=True)
class AngleSpread:
    """How one angle of head pose is distributed.

    Attributes:
        name: `yaw`, `pitch` or `roll`.
        percentiles_deg: The 5th, 25th, 50th, 75th and 95th.
        turned: Share of the faces beyond ±30°.
        counts: Faces for each 5° from −90° to 90°; what lies beyond is in the outermost.
    """

    name: str
    percentiles_deg: tuple[float, ...]
    turned: float
    counts: tuple[int, ...]


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


@dataclass(frozen=True)
class Implausible:
    """An image, and how far its landmarks are from what is usual, see `implausibility`."""

    image_id: str
    distance: float


@dataclass(frozen=True)
class ExtractionQuality:
    """Findings over a landmark table.

    Attributes:
        faces: Images with landmarks.
        pose: Yaw, pitch and roll; nothing if there are no faces.
        max_hash_distance: Bits of 64 in which near-duplicates differ, at most.
        overlaps: With each other table.
        num_conflicts: Files that lie in several folders.
        conflicts: The images of each such file.
        median_distance: Of the landmark sets from what is usual.
        least_plausible: The landmark sets farthest from what is usual, the farthest first.
    """

    faces: int
    pose: tuple[AngleSpread, ...]
    max_hash_distance: int
    overlaps: tuple[Overlap, ...]
    num_conflicts: int
    conflicts: tuple[tuple[str, ...], ...]
    median_distance: float
    least_plausible: tuple[Implausible, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `quality.json` holds."""
        return asdict(self)


def read_quality(run_folder: Path) -> ExtractionQuality | None:
    """Read the `quality.json` of an extraction, None if there is none."""
    file = run_folder / QUALITY_FILE
    return TypeAdapter(ExtractionQuality).validate_json(file.read_bytes()) if file.is_file() else None


def assess_quality(
    table: str | Path, other_tables: Sequence[str], max_hash_distance: int, least_plausible: int
) -> ExtractionQuality:
    """Look for what may be wrong with a landmark table.

    Args:
        table: Landmark table, a path or URI.
        other_tables: Of the other splits, in which none of the images should be.
        max_hash_distance: Bits of 64 in which the perceptual hashes of near-duplicates differ, at most.
        least_plausible: Landmark sets to name.

    Raises:
        ConfigError: One of the tables cannot be read.
    """
    # One after the other: neither has room for the other's columns on a table of ten million rows.
    overlaps, conflicts = _duplicates(table, other_tables, max_hash_distance)
    return ExtractionQuality(
        max_hash_distance=max_hash_distance,
        overlaps=overlaps,
        num_conflicts=len(conflicts),
        conflicts=tuple(conflicts[:MOST_LISTED]),
        **_landmarks(table, least_plausible),
    )


def _duplicates(
    table: str | Path, other_tables: Sequence[str], max_hash_distance: int
) -> tuple[tuple[Overlap, ...], list[tuple[str, ...]]]:
    images = _decoded(read_table(table, ["folder", "content_sha256", "dhash"]))
    overlaps = tuple(_overlap(images, place, max_hash_distance) for place in other_tables)
    return overlaps, conflicting_duplicates(images)


def _overlap(images: pa.Table, other_table: str, max_hash_distance: int) -> Overlap:
    others = _decoded(read_table(other_table, ["content_sha256", "dhash"]))
    found = near_duplicates(
        images["dhash"].to_numpy(), others["dhash"].to_numpy(), max_hash_distance, MOST_LISTED
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


def _decoded(rows: pa.Table) -> pa.Table:
    """Drop what is no image: all empty files are equal, and it means nothing."""
    return rows.filter(pc.is_valid(rows["dhash"]))


def _landmarks(table: str | Path, least_plausible: int) -> dict[str, Any]:
    """Return the findings on pose and shape, by the names that `ExtractionQuality` gives them."""
    column = landmark_column(NUM_LANDMARKS)
    rows = read_table(table, ["width", "height", column, *(f"{angle}_deg" for angle in ANGLES)])
    rows = rows.filter(pc.is_valid(rows[column]))
    angles = [rows[f"{angle}_deg"].to_numpy() for angle in ANGLES]
    points = rows[column].combine_chunks().flatten().to_numpy().reshape(-1, NUM_LANDMARKS, 2)
    size_px = np.stack([rows[side].to_numpy() for side in ("width", "height")], axis=1, dtype=np.float32)
    distances = implausibility(points * size_px[:, None], np.stack(angles[:2], axis=1))
    farthest = np.argsort(-distances, kind="stable")[:least_plausible]
    names = rows["image_id"].take(pa.array(farthest)).to_pylist()
    told = np.minimum(distances[farthest], LARGEST_DISTANCE).round(3).tolist()
    return {
        "faces": rows.num_rows,
        "pose": tuple(map(_spread, ANGLES, angles)) if rows.num_rows else (),
        "median_distance": round(float(np.median(distances)), 3) if rows.num_rows else 0.0,
        "least_plausible": tuple(map(Implausible, names, told)),
    }


def _spread(name: str, angles_deg: npt.NDArray[np.float32]) -> AngleSpread:
    edges = np.arange(-MOST_DEG, MOST_DEG + 1, BIN_DEG)
    return AngleSpread(
        name=name,
        percentiles_deg=tuple(np.percentile(angles_deg, PERCENTILES).round(2).tolist()),
        turned=float((np.abs(angles_deg) > TURNED_DEG).mean()),
        counts=tuple(np.histogram(np.clip(angles_deg, -MOST_DEG, MOST_DEG), edges)[0].tolist()),
    )
