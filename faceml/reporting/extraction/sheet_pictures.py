"""Contact sheets as pictures of a report."""

from collections.abc import Sequence

from faceml.images import encode_jpeg
from faceml.page import Picture, contact_sheet
from faceml.reporting.extraction.landmark_sheet import Tile

COLUMNS, ROWS = 4, 6
"""Tiles of one sheet: four across a phone are large enough to judge."""
TILE_PX = 160
SHEET_QUALITY = 88


def sheet_pictures(tiles: Sequence[Tile], title: str, contents: str, caption: str = "") -> list[Picture]:
    """Return as many sheets as hold all tiles.

    Args:
        tiles: In reading order.
        title: Of the pictures; they are numbered if there are several.
        contents: What the tiles are, for those who cannot see them: `images with their landmarks`.
        caption: How to read a sheet.
    """
    size = COLUMNS * ROWS
    sheets = [tiles[start : start + size] for start in range(0, len(tiles), size)]
    return [
        Picture(
            title=title + (f", sheet {number} of {len(sheets)}" if len(sheets) > 1 else ""),
            data=encode_jpeg(
                contact_sheet([t.image for t in sheet], [t.caption for t in sheet], COLUMNS, TILE_PX),
                SHEET_QUALITY,
            ),
            media_type="image/jpeg",
            alt=f"{len(sheet)} {contents}: " + ", ".join(dict.fromkeys(tile.caption for tile in sheet)),
            caption=caption,
        )
        for number, sheet in enumerate(sheets, start=1)
    ]
