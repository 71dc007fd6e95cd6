"""Quality of a landmark table: head pose, duplicates, plausibility of the landmarks."""

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
from faceml.tables import TableSelection, face_names, folder_columns, landmark_column, read_table

NUM_LANDMARKS = 10
"""Landmark set that is checked; the larger one reveals more errors."""
MOST_LISTED = 10_000
"""Maximum number of duplicate pairs and groups that are kept; all are counted."""

ANGLES = {"yaw": "to the right", "pitch": "upwards", "roll": "clockwise"}
"""Angles of head pose and their positive directions, as seen by the viewer."""
LARGEST_DISTANCE = 9999.0  # stands for infinity, which JSON cannot represent
PERCENTILES = (5, 25, 50, 75, 95)
TURNED_DEG = 30
BIN_DEG, MOST_DEG = 5, 90


@dataclass(frozen=True)
class AngleSpread:
    """Distribution of one angle of head pose.

    Attributes:
        name: `yaw`, `pitch` or `roll`.
        percentiles_deg: 5th, 25th, 50th, 75th and 95th percentile.
        turned: Share of the faces beyond ±30°.
        counts: Histogram in bins of 5° from −90° to 90°; the outermost bins include larger angles.
    """

    name: str
    percentiles_deg: tuple[float, ...]
    turned: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Implausible:
    """A face by its name, and the distance of its landmarks from the expected shape, see `implausibility`."""

    image_id: str
    distance: float


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
    table: str | Path, other_tables: Sequence[str], max_hash_distance: int, least_plausible: int
) -> ExtractionQuality:
    """Assess the quality of a landmark table.

    Args:
        table: Landmark table, a path or URI.
        other_tables: Tables of the other splits, which should not share images with this one.
        max_hash_distance: Maximum Hamming distance of the perceptual hashes of near-duplicates, bits of 64.
        least_plausible: Number of least plausible images to return.

    Raises:
        ConfigError: One of the tables cannot be read.
    """
    # Sequentially: the columns of both do not fit into memory together for tables of ten million rows.
    overlaps, conflicts = _duplicates(table, other_tables, max_hash_distance)
    return ExtractionQuality(
        max_hash_distance=max_hash_distance,
        overlaps=overlaps,
        num_conflicts=len(conflicts),
        conflicts=tuple(conflicts[:MOST_LISTED]),
        has_sources="source" in folder_columns(table),
        **_landmarks(table, least_plausible),
    )


def _duplicates(
    table: str | Path, other_tables: Sequence[str], max_hash_distance: int
) -> tuple[tuple[Overlap, ...], list[tuple[str, ...]]]:
    images = decoded_images(read_table(table, [*folder_columns(table), "content_sha256", "dhash"]))
    others = map(TableSelection, other_tables)
    overlaps = tuple(overlap_of(images, other, max_hash_distance, MOST_LISTED) for other in others)
    return overlaps, conflicting_duplicates(images)


def _landmarks(table: str | Path, least_plausible: int) -> dict[str, Any]:
    """Return the fields of `ExtractionQuality` on pose and shape."""
    column = landmark_column(NUM_LANDMARKS)
    rows = read_table(table, ["width", "height", column, *(f"{angle}_deg" for angle in ANGLES)])
    rows = rows.filter(pc.is_valid(rows[column]))
    angles = [rows[f"{angle}_deg"].to_numpy() for angle in ANGLES]
    points = rows[column].combine_chunks().flatten().to_numpy().reshape(-1, NUM_LANDMARKS, 2)
    size_px = np.stack([rows[side].to_numpy() for side in ("width", "height")], axis=1, dtype=np.float32)
    distances = implausibility(points * size_px[:, None], np.stack(angles[:2], axis=1))
    farthest = np.argsort(-distances, kind="stable")[:least_plausible]
    names = face_names(rows).take(pa.array(farthest)).to_pylist()
    rounded = np.minimum(distances[farthest], LARGEST_DISTANCE).round(3).tolist()
    return {
        "faces": rows.num_rows,
        "pose": tuple(map(_spread, ANGLES, angles)) if rows.num_rows else (),
        "median_distance": round(float(np.median(distances)), 3) if rows.num_rows else 0.0,
        "least_plausible": tuple(map(Implausible, names, rounded)),
    }


def _spread(name: str, angles_deg: npt.NDArray[np.float32]) -> AngleSpread:
    edges = np.arange(-MOST_DEG, MOST_DEG + 1, BIN_DEG)
    return AngleSpread(
        name=name,
        percentiles_deg=tuple(np.percentile(angles_deg, PERCENTILES).round(2).tolist()),
        turned=float((np.abs(angles_deg) > TURNED_DEG).mean()),
        counts=tuple(np.histogram(np.clip(angles_deg, -MOST_DEG, MOST_DEG), edges)[0].tolist()),
    )
