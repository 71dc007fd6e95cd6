"""Contact sheets: many captioned images in one picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceml.images import RgbImage, encode_jpeg
from faceml.page.html import Picture
from faceml.page.tables import printable

GAP_PX = 6
PAPER_RGB = (255, 255, 255)
INK_RGB = (32, 36, 42)
COLUMNS, ROWS = 4, 6
"""Tiles of one sheet of a report: readable with four tiles across a phone."""
TILE_PX = 160
SHEET_QUALITY = 88
NOT_IN_THE_FONT = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{MINUS SIGN}": "-"})


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, uint8 of shape (H, W, 3), and its caption."""

    image: RgbImage
    caption: str


def sheet_pictures(tiles: Sequence[Tile], title: str, contents: str, caption: str = "") -> list[Picture]:
    """Return contact sheets of all tiles as pictures of a report.

    Args:
        tiles: Tiles in reading order.
        title: Title of the pictures; several ones are numbered.
        contents: Description of the tiles for the text alternative, such as `images with their landmarks`.
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


def contact_sheet(tiles: Sequence[RgbImage], captions: Sequence[str], columns: int, tile_px: int) -> RgbImage:
    """Lay images out on a white sheet, row by row, each with its caption below.

    Args:
        tiles: uint8 of shape (H, W, 3) each, of any size; scaled by `fit` and centred in a square.
        captions: One caption for each image; long ones are cut with an ellipsis.
        columns: Number of tiles in a row.
        tile_px: Side of the squares in px.

    Returns:
        uint8 of shape (H, W, 3); `tile_origin` gives the position of each square.
    """
    font = ImageFont.load_default(_font_px(tile_px))
    rows = -(-len(tiles) // columns)
    width, _ = tile_origin(columns - 1, columns, tile_px)
    _, height = tile_origin(rows * columns, columns, tile_px)
    sheet = Image.new("RGB", (width + tile_px + GAP_PX, height), PAPER_RGB)
    pen = ImageDraw.Draw(sheet)
    for number, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = tile_origin(number, columns, tile_px)
        image = Image.fromarray(fit(tile, tile_px))
        sheet.paste(image, (x + (tile_px - image.width) // 2, y + (tile_px - image.height) // 2))
        drawn = printable(caption).translate(NOT_IN_THE_FONT)
        line = _shorten(drawn, lambda text: font.getlength(text) <= tile_px)
        pen.text((x + tile_px / 2, y + tile_px + GAP_PX / 2), line, INK_RGB, font, anchor="ma")
    return np.asarray(sheet)


def tile_origin(number: int, columns: int, tile_px: int) -> tuple[int, int]:
    """Return x and y of the top left pixel of a tile's square, px; tiles are numbered from 0."""
    row, column = divmod(number, columns)
    line_px = tile_px + GAP_PX + round(1.4 * _font_px(tile_px))
    return GAP_PX + column * (tile_px + GAP_PX), GAP_PX + row * line_px


def fit(image: RgbImage, side_px: int) -> RgbImage:
    """Scale an image of shape (H, W, 3) up or down, aspect kept, so that its longer side is `side_px`."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _font_px(tile_px: int) -> int:
    # An eighth of a tile: twenty letters in a line, readable with four tiles across a phone.
    return max(10, tile_px // 8)


def _shorten(text: str, fits: Callable[[str], bool]) -> str:
    ends = (text, *(text[:end].rstrip() + "…" for end in range(len(text) - 1, 0, -1)))
    return next(filter(fits, ends), "")
