"""Fixtures of predictions: a network with random weights, and a photo of two faces."""

from pathlib import Path

import numpy as np
import pytest

from faceml.images.decoding import RgbImage, decode_image
from faceml.images.framing import Framing
from faceml.runs.files import BEST_MODEL_FILE
from faceml.synthetic.generate import generate_faces
from faceml.tables.sorted_rows import read_table
from tests.random_model import PAIR, write_random_model

SIDE_PX = 200
CORNERS = ((30, 40), (330, 110))
"""Top left corners of the faces in the photo: x, y, px."""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with eight faces in `train`, and their table in `landmarks/train`."""
    root = tmp_path_factory.mktemp("drawn") / "faces"
    generate_faces(root, "affectnet", {"train": 8}, image_size_px=SIDE_PX, seed=3, processes=1)
    return root


@pytest.fixture(scope="session")
def framing(drawn: Path) -> Framing:
    rows = read_table(drawn / "landmarks" / "train", ["landmarks_5"])
    points = np.array(rows["landmarks_5"].to_pylist()).reshape(-1, 5, 2)
    return Framing.of(points, np.full((len(points), 2), SIDE_PX))


@pytest.fixture(scope="session")
def run_folder(framing: Framing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder with the `best_model.pt` of a network with random weights."""
    folder = tmp_path_factory.mktemp("run")
    write_random_model(folder / BEST_MODEL_FILE, PAIR, 48, framing=framing)
    return folder


@pytest.fixture(scope="session")
def photo(drawn: Path) -> RgbImage:
    """Photo of two of the faces on a gray background."""
    canvas = np.full((400, 600, 3), 128, dtype=np.uint8)
    for file, (x, y) in zip(sorted((drawn / "train").rglob("*.jpg"))[:2], CORNERS, strict=True):
        face = decode_image(file.read_bytes())
        assert not isinstance(face, str)
        canvas[y : y + SIDE_PX, x : x + SIDE_PX] = face
    return canvas
