"""Small data sets of drawn faces, each with the files, names and quirks that it is shipped with."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from faceml.images import RgbImage
from faceml.images.decoding import encode_jpeg
from tests.formats.fer_files import EMPTY, SIDE, pixels_of, write_fer2013, write_votes
from tests.formats.record_files import write_rec, write_verification

CSV_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
LANDMARKS = ";".join(["10.5;20.5"] * 68)
LABELS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""AffectNet's expressions 0 to 7."""
RAF_NUMBERS = {1: "surprise", 2: "fear", 3: "disgust", 4: "happy", 5: "sad", 6: "anger", 7: "neutral"}

Faces = Sequence[RgbImage]
"""Faces of which the first two thirds are for training."""


def splits_of(faces: Faces) -> list[bool]:
    """Return whether each face is for training."""
    return [number < 2 * len(faces) // 3 for number in range(len(faces))]


def write_image(file: Path, face: RgbImage) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_jpeg(face, 90))


def list_row(path: str, expression: object, valence: object = 0.5, arousal: object = -0.25) -> str:
    return f"{path},7,9,80,81,{LANDMARKS},{expression},{valence},{arousal}"


def write_affectnet_csv(root: Path, faces: Faces) -> Path:
    """Archives of 2017: the list of the validation images has no header."""
    lists: dict[bool, list[str]] = {True: [CSV_HEADER], False: []}
    for number, (face, trained) in enumerate(zip(faces, splits_of(faces), strict=True)):
        path = f"{689 + number % 2}/{number:056x}.{'JPG' if number % 3 else 'jpg'}"
        write_image(root / "Manually_Annotated/Manually_Annotated_Images" / path, face)
        lists[trained].append(list_row(path, number % 8))
    lists[True].append(list_row("689/gone.jpg", 10, -2, -2))
    folder = root / "Manually_Annotated_file_lists"
    folder.mkdir()
    (folder / "training.csv").write_text("\n".join(lists[True]) + "\n")
    (folder / "validation.csv").write_text("\n".join(lists[False]) + "\n")
    return root


def write_affectnet_npy(root: Path, faces: Faces) -> Path:
    """Archives of 2021: numbers with gaps, and values as text in arrays without dimensions."""
    for number, (face, trained) in enumerate(zip(faces, splits_of(faces), strict=True)):
        folder = root / ("train_set" if trained else "val_set")
        write_image(folder / f"images/{3 * number}.jpg", face)
        write_annotations(folder / f"annotations/{3 * number}", number % 8)
    return root


def write_annotations(path: Path, expression: object, valence: object = 0.5, arousal: object = -0.25) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, value in (("exp", expression), ("val", valence), ("aro", arousal)):
        np.save(f"{path}_{name}.npy", np.array(str(value)))
    np.save(f"{path}_lnd.npy", np.full(136, 50.0))


def write_raf_db(root: Path, faces: Faces) -> Path:
    """`basic` as its authors ship it, with the misspelled name of its list."""
    lines = []
    for number, (face, trained) in enumerate(zip(faces, splits_of(faces), strict=True)):
        stem = f"{'train' if trained else 'test'}_{number + 1:05d}"
        write_image(root / f"basic/Image/aligned/{stem}_aligned.jpg", face)
        lines.append(f"{stem}.jpg {number % 7 + 1}\n")
    (root / "basic/EmoLabel").mkdir()
    (root / "basic/EmoLabel/list_patition_label.txt").write_text("".join(lines))
    return root


def write_fer(root: Path, faces: Faces) -> Path:
    usages = ["Training" if trained else "PublicTest" for trained in splits_of(faces)]
    pixels = [pixels_of(cv2.resize(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (SIDE, SIDE))) for face in faces]
    rows = [(number % 7, *row) for number, row in enumerate(zip(pixels, usages, strict=True))]
    write_fer2013(root / "fer2013.csv", [*rows, (6, EMPTY, "PrivateTest")])
    return root


def write_ferplus(root: Path, faces: Faces) -> Path:
    usages = ["Training" if trained else "PublicTest" for trained in splits_of(faces)]
    votes = 8 * np.eye(10, dtype=int)[:8]
    rows = [[usage, f"fer{number:07d}.png", *votes[number % 8]] for number, usage in enumerate(usages)]
    write_votes(write_fer(root, faces) / "fer2013new.csv", [*rows, ["PrivateTest", "", *[0] * 10]])
    return root


SHIPPED: dict[str, Callable[[Path, Faces], Path]] = {
    "affectnet-csv": write_affectnet_csv,
    "affectnet-npy": write_affectnet_npy,
    "raf-db": write_raf_db,
    "fer2013": write_fer,
    "ferplus": write_ferplus,
    "mxnet-rec": write_rec,
    "insightface-bin": write_verification,
}
"""Functions by format that write a set of faces into an empty folder and return what `faceml import` gets."""
