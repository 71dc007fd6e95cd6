"""Tables of an evaluation of landmarks against annotations.

Shape letters: N annotated faces.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from faceml.metrics import FAILURE_NME, LocalisationErrors
from faceml.page import INTERVAL, PERCENT, DataTable, capitalised, percent, percent_range
from faceml.reporting.localisation.findings import (
    NUM_LANDMARKS,
    Estimated,
    LandmarkFindings,
    mean_of,
    nme_of,
    share_of,
)
from faceml.tables import LANDMARK_SETS

Cells = tuple[str, str]
"""A value and its interval."""

PX_EDGES = (0, 32, 64, 128, 256, 512, np.inf)
SHARE_EDGES_PERCENT = (0, 5, 10, 20, 40, np.inf)
YAW_EDGES_DEG = (0, 15, 30, 45, np.inf)


def result_table(findings: LandmarkFindings) -> DataTable:
    """Return the main figures of each source."""
    rows: dict[str, Callable[[LocalisationErrors], Cells]] = {
        "annotated faces": lambda errors: (f"{len(errors.is_missed):,}", ""),
        "no face found": lambda errors: _counted(errors.is_missed),
        "another face found": lambda errors: _counted(errors.is_other),
        "NME": lambda errors: _formatted(nme_of(errors), 2),
        "NME, other faces included": lambda errors: _formatted(nme_of(errors, ~errors.is_missed), 2),
        f"failures above {percent(FAILURE_NME, 0)}": lambda errors: _counted(errors.is_failure),
        f"area to {percent(FAILURE_NME, 0)}": lambda errors: _formatted(mean_of(errors.areas)),
    }
    sources = findings.main.values()
    return DataTable(
        f"{NUM_LANDMARKS} landmarks against {len(findings.faces):,} faces that people annotated",
        ["result", *(cell for name in findings.main for cell in (name, INTERVAL))],
        [[label, *(cell for errors in sources for cell in row(errors))] for label, row in rows.items()],
    )


def points_table(findings: LandmarkFindings, number: int) -> DataTable:
    """Return the NME of each landmark over the annotated faces that were found."""
    points = findings.faces.markup.landmarks[number]
    rows = []
    for place, name in enumerate(LANDMARK_SETS[number].names):
        annotated = " and ".join(str(point + 1) for point in points[place])
        row = [name.replace("_", " "), annotated]
        for errors in findings.errors[number].values():
            row += _formatted(mean_of(errors.of_points[errors.is_matched, place]), 2)
        rows.append(row)
    header = ["landmark", "annotated point", *(c for name in findings.located for c in (name, INTERVAL))]
    return DataTable(f"NME of each of {number} landmarks", header, rows)


def group_tables(findings: LandmarkFindings, source: str) -> list[DataTable]:
    """Return misses and errors of a source by the size and the yaw of the annotated faces."""
    errors, title = findings.main[source], capitalised(source)
    sides = np.array([box.long_side for box in findings.faces.boxes])
    shares = sides / findings.sizes_px.max(axis=1)
    tables = [
        _group_table(f"{title} by size of the face", "longer side", errors, bins(sides, PX_EDGES, " px")),
        _group_table(
            f"{title} by size of the face in the image",
            "share of the image's longer side",
            errors,
            bins(100 * shares, SHARE_EDGES_PERCENT, PERCENT),
        ),
    ]
    if findings.yaw is not None:
        yaw = np.abs(findings.yaw.yaw_deg)
        tables.append(
            _group_table(f"{title} by yaw", "estimated absolute yaw", errors, bins(yaw, YAW_EDGES_DEG, "°"))
        )
    return tables


def _group_table(
    title: str, noun: str, errors: LocalisationErrors, groups: Mapping[str, npt.NDArray[np.bool_]]
) -> DataTable:
    rows = []
    for name, group in groups.items():
        missed, limits = share_of(errors.is_missed[group])
        rows.append(
            [
                name,
                f"{int(group.sum()):,}",
                percent(missed),
                percent_range(limits),
                f"{int(errors.is_other[group].sum()):,}",
                _formatted(nme_of(errors, group & errors.is_matched), 2)[0],
            ]
        )
    return DataTable(title, [noun, "faces", "no face found", INTERVAL, "another face found", "NME"], rows)


def bins(
    values: npt.NDArray[np.floating], edges: Sequence[float], unit: str
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the groups of values between neighbouring edges, without empty ones.

    Args:
        values: Of shape (N,); NaN is in no group.
        edges: Increasing; the last one may be infinite.
        unit: Follows the numbers in the names of the groups.

    Returns:
        Mask of each group by its name, bool of shape (N,).
    """
    groups = {}
    for low, high in pairwise(edges):
        name = f"{low:g} to {high:g}{unit}" if np.isfinite(high) else f"{low:g}{unit} or more"
        group = (values >= low) & (values < high)
        if group.any():
            groups[name] = group
    return groups


def _counted(mask: npt.NDArray[np.bool_]) -> Cells:
    share, limits = share_of(mask)
    return f"{int(mask.sum()):,} ({percent(share)})", percent_range(limits)


def _formatted(estimate: Estimated, digits: int = 1) -> Cells:
    value, limits = estimate
    return percent(value, digits), percent_range(limits, digits)
