"""Files as FER2013 and FER+ are shipped."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

SIDE = 48
EMPTY = " ".join(["0"] * SIDE**2)
VOTES_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def random_faces(number: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (number, SIDE, SIDE)).astype(np.uint8))


def pixels_of(face: np.ndarray) -> str:
    return " ".join(map(str, face.ravel()))


def write_fer2013(file: Path, rows: Iterable[Sequence[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(map(str, row)) for row in rows]
    file.write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")


def write_votes(file: Path, rows: Iterable[Sequence[object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(map(str, row)) for row in rows]
    file.write_text("\n".join([VOTES_HEADER, *lines]) + "\n")
