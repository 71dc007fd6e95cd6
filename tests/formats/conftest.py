from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pyarrow.parquet as pq
import pytest

from faceml.synthetic import generate_faces
from tests.formats.shipped import SHIPPED, Faces

LabelsOf = Callable[[Path], dict[str, dict[str, Any]]]


@pytest.fixture
def labels_of() -> LabelsOf:
    """Return the rows of an import's label table by image, without their nulls."""

    def read(output: Path) -> dict[str, dict[str, Any]]:
        rows = pq.read_table(output / "labels.parquet").to_pylist()
        return {
            row.pop("image_id"): {name: value for name, value in row.items() if value is not None}
            for row in rows
        }

    return read


@pytest.fixture(scope="session")
def drawn_faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    """24 drawn faces of 128 px, with AffectNet's expressions 0 to 7 in turn."""
    root = tmp_path_factory.mktemp("drawn")
    generate_faces(root, "affectnet", {"all": 24}, image_size_px=128, processes=1)
    files = sorted((root / "all").rglob("*.jpg"), key=lambda file: file.name)
    return [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]


@pytest.fixture
def shipped(drawn_faces: Faces, tmp_path: Path) -> Callable[[str], Path]:
    """Function that writes the drawn faces as a format ships them, and returns the source of the import."""

    def write(name: str) -> Path:
        folder = tmp_path / "shipped" / name
        folder.mkdir(parents=True)
        return SHIPPED[name](folder, drawn_faces)

    return write
