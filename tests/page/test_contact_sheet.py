"""Contact sheets: geometry, order, scaling."""

import numpy as np
import pytest

from faceml.images.decoding import RgbImage
from faceml.page.contact_sheet import GAP_PX, PAPER_RGB, contact_sheet, fit, tile_origin


def plain(height: int, width: int, rgb: tuple[int, int, int]) -> RgbImage:
    return np.full((height, width, 3), rgb, dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"), [((10, 20), (32, 64)), ((300, 100), (64, 21)), ((64, 64), (64, 64))]
)
def test_fit__scales_the_longer_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit(plain(*size, (1, 2, 3)), 64).shape == (*expected, 3)


def test_contact_sheet__lays_tiles_out_row_by_row() -> None:
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (9, 9, 9), (90, 0, 90)]
    sheet = contact_sheet([plain(8, 8, rgb) for rgb in colors], ["a"] * 5, columns=2, tile_px=32)
    assert sheet.shape[1] == 2 * 32 + 3 * GAP_PX
    assert sheet.shape[0] == tile_origin(6, 2, 32)[1]
    origins = [tile_origin(number, 2, 32) for number in range(5)]
    assert origins[0] == (GAP_PX, GAP_PX)
    assert origins[1][1] == origins[0][1]
    assert origins[2][0] == origins[0][0]
    assert origins[2][1] >= origins[0][1] + 32
    for (x, y), rgb in zip(origins, colors, strict=True):
        assert (sheet[y : y + 32, x : x + 32] == rgb).all()
        assert (sheet[y : y + 32, x + 32 : x + 32 + GAP_PX] == PAPER_RGB).all()


def test_contact_sheet__oblong_image_is_centred() -> None:
    sheet = contact_sheet([plain(64, 32, (9, 9, 9))], [""], columns=1, tile_px=64)
    x, y = tile_origin(0, 1, 64)
    inked = (sheet[y + 32] == (9, 9, 9)).all(axis=1)
    assert np.flatnonzero(inked).tolist() == list(range(x + 16, x + 48))


def test_contact_sheet__caption_stays_below_its_own_tile() -> None:
    tiles = [plain(64, 64, PAPER_RGB)] * 3
    sheet = contact_sheet(tiles, ["", "a caption much too long for any tile", ""], columns=3, tile_px=64)
    inked = (sheet != PAPER_RGB).any(axis=2)
    x, y = tile_origin(1, 3, 64)
    rows, columns = np.nonzero(inked)
    assert len(rows)
    assert rows.min() >= y + 64
    assert x - 1 <= columns.min()
    assert columns.max() <= x + 64


def test_contact_sheet__needs_as_many_captions_as_tiles() -> None:
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([plain(8, 8, (0, 0, 0))], [], columns=1, tile_px=32)


def test_contact_sheet__a_caption_may_contain_line_breaks_and_halves_of_characters() -> None:
    contact_sheet([plain(8, 8, (0, 0, 0))] * 2, ["two\nlines", "half \udc80"], columns=2, tile_px=32)
