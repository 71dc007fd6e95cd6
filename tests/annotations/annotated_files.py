"""Files of annotations as data sets are shipped, with known landmarks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

IBUG_OF_TEN = (36, 39, 42, 45, 30, 33, 48, 54, 51, 57)
WFLW_OF_TEN = (60, 64, 68, 72, 54, 57, 76, 82, 79, 85)
"""Points of both mark-ups at the ten landmarks, as in their figures but numbered from 0."""


def marked(ten: Points, num_points: int, places: tuple[int, ...]) -> Points:
    """Return the points of a mark-up; those that are none of the ten landmarks lie between two of them."""
    points = np.linspace(ten[0], ten[-1], num_points)
    points[list(places)] = ten
    return points


def write_pts(file: Path, ten_px: Points, *, bare: bool = False) -> None:
    """Write a `.pts` file of 300-W, which counts pixels from 1, at their centres."""
    lines = [f"{x:.6f} {y:.6f}" for x, y in marked(ten_px, 68, IBUG_OF_TEN) + 0.5]
    header = [] if bare else ["version: 1", "n_points:  68", "{"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([*header, *lines, *([] if bare else ["}"])]) + "\n")


def wflw_line(ten_px: Points, image: str) -> str:
    """Return a line of WFLW's list, which counts pixels from 0."""
    points = marked(ten_px, 98, WFLW_OF_TEN) - 0.5
    box = [*points.min(axis=0), *points.max(axis=0)]
    return " ".join([*(f"{v:.6f}" for v in points.ravel()), *(f"{v:.0f}" for v in box), *"010010", image])


def mtfl_line(five_px: Points, image: str) -> str:
    """Return a line of MTFL's list, which counts pixels from 1, begins with a blank and has backslashes."""
    x, y = (five_px + 0.5).T
    return " ".join(["", image.replace("/", "\\"), *(f"{v:.6f}" for v in (*x, *y)), "1", "2", "2", "3"])


def ten_px(row: Mapping[str, Any]) -> Points:
    """Return the ten landmarks of a table's row in px."""
    size = (row["width"], row["height"])
    return np.array(row["landmarks_10"], dtype=np.float64).reshape(-1, 2) * size
