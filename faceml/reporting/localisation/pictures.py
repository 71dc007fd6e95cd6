"""Pictures of a report: the cumulative errors, and the faces with the largest ones or that were not found.

Shape letters: N annotated faces, L landmarks.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from faceml.datasets import ImageFiles
from faceml.landmarks import draw_landmarks
from faceml.metrics import FAILURE_NME
from faceml.page import (
    COLORS,
    TILE_PX,
    Picture,
    Tile,
    chart,
    fit,
    legend_above,
    percent,
    percent_axis,
    sheet_pictures,
    styled,
)
from faceml.reporting.extraction.table_images import TableImage, decode_shown
from faceml.reporting.localisation.findings import NUM_LANDMARKS, LandmarkFindings

LINES = ("-", "--")
STEPS = 400
ANNOTATED_RGB = (0, 158, 115)  # bluish green of the palette of Okabe & Ito
BLANK = np.full((TILE_PX, TILE_PX, 3), 216, dtype=np.uint8)


@styled
def cumulative_figure(findings: LandmarkFindings) -> Figure:
    """Plot the share of all annotated faces with at most an error, of each source."""
    figure, axes = chart("normalised mean error of a face", "annotated faces")
    errors = np.linspace(0, FAILURE_NME, STEPS + 1)
    for number, (name, found) in enumerate(findings.main.items()):
        counts = np.searchsorted(np.sort(found.of_annotated), errors, side="right")
        axes.plot(
            errors,
            counts / len(findings.faces),
            color=COLORS[number],
            linestyle=LINES[number % len(LINES)],
            label=name,
        )
    axes.set_xlim(0, FAILURE_NME)
    axes.set_ylim(0, 1.02)
    axes.tick_params(axis="x", pad=6)  # keeps the first label clear of that of the other axis
    percent_axis(axes, "x")
    percent_axis(axes)
    if len(findings.main) > 1:
        legend_above(figure, axes)
    return figure


def worst_pictures(findings: LandmarkFindings, source: str, images: ImageFiles, most: int) -> list[Picture]:
    """Return contact sheets of a source: largest errors, other faces, and faces that were not found.

    Args:
        findings: The results.
        source: Source of the landmarks.
        images: Folder of the images.
        most: Maximum number of faces of each kind.
    """
    errors = findings.main[source]
    by_error = np.argsort(-errors.of_faces, kind="stable")
    chosen = {
        "Largest errors": by_error[errors.is_matched[by_error]],
        "Another face": by_error[errors.is_other[by_error]],
        "No face found": np.flatnonzero(errors.is_missed),
    }
    pictures = list[Picture]()
    for title, faces in chosen.items():
        tiles = [_tile(findings, source, int(face), images) for face in faces[:most]]
        shown = f", the {most:,} worst of {len(faces):,}" if most < len(faces) else ""
        pictures += sheet_pictures(tiles, f"{title}{shown}", f"faces with landmarks of the {source}")
    return pictures


def _tile(findings: LandmarkFindings, source: str, face: int, images: ImageFiles) -> Tile:
    """Draw one face with its annotated landmarks and with those that were found."""
    size_px = findings.sizes_px[face]
    annotated = findings.faces.landmarks_px(NUM_LANDMARKS)[face] / size_px
    found = findings.located[source].landmarks[NUM_LANDMARKS][face]
    sets = [annotated] if np.isnan(found).any() else [annotated, found]
    name = findings.faces.images[face]
    # Images of unknown size crashed the detector's process, and might crash this one too.
    image = decode_shown(images(name)) if np.isfinite(size_px).all() else None
    error = percent(float(findings.main[source].of_faces[face]))
    return Tile(_drawn(image, sets), f"{error} {PurePosixPath(name).stem}")


def _drawn(image: TableImage | None, sets: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.uint8]:
    if image is None:
        return BLANK
    shown = image.close_up(np.concatenate(sets))
    canvas = fit(shown.pixels, TILE_PX)
    for points, rgb in zip(sets, (ANNOTATED_RGB, None), strict=False):
        canvas = draw_landmarks(canvas, shown.place(points), rgb)
    return canvas
