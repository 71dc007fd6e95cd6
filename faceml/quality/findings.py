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

from faceml.quality.duplicates import conflicting_duplicates
from faceml.quality.overlap import Overlap, decoded_images, overlap_of
from faceml.quality.plausibility import implausibility
from faceml.runs import QUALITY_FILE
from faceml.tables import landmark_column, read_table

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
    images = decoded_images(read_table(table, ["folder", "content_sha256", "dhash"]))
    overlaps = tuple(overlap_of(images, place, max_hash_distance, MOST_LISTED) for place in other_tables)
    return overlaps, conflicting_duplicates(images)


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
