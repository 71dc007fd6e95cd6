"""Contact sheets: many captioned images in one picture."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceml.images import RgbImage
from faceml.page.tables import printable

GAP_PX = 6
PAPER_RGB = (255, 255, 255)
INK_RGB = (32, 36, 42)


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
        line = _shorten(printable(caption), lambda text: font.getlength(text) <= tile_px)
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
