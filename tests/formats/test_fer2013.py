from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from tests.formats.conftest import LabelsOf
from tests.formats.fer_files import EMPTY, pixels_of, random_faces, write_fer2013


def test_fer2013__writes_the_pixels_and_names_the_expressions(tmp_path: Path, labels_of: LabelsOf) -> None:
    faces = random_faces(7)
    usages = ["Training", "PublicTest", "PrivateTest", "Training", "Training", "Training", "Training"]
    write_fer2013(tmp_path / "fer2013.csv", zip(range(7), map(pixels_of, faces), usages, strict=True))

    summary = import_data_set(open_format("fer2013", tmp_path), tmp_path / "out")

    splits = ["train", "val", "test", "train", "train", "train", "train"]
    # The order of the paper's data: angry, disgust, fear, happy, sad, surprise, neutral.
    names = ["anger", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert labels_of(tmp_path / "out") == {
        f"{split}/fer{number:07d}.png": {"split": split, "expression": name}
        for number, (split, name) in enumerate(zip(splits, names, strict=True))
    }
    for number, (split, face) in enumerate(zip(splits, faces, strict=True)):
        with Image.open(tmp_path / f"out/images/{split}/fer{number:07d}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), face)
    assert summary.images == summary.written == 7


def test_fer2013__reads_the_later_archive(tmp_path: Path) -> None:
    face = pixels_of(random_faces(1)[0])
    (tmp_path / "icml_face_data.csv").write_text(f"emotion, Usage, pixels\r\n3,Training,{face}\r\n")
    summary = import_data_set(open_format("fer2013", tmp_path), tmp_path / "out")
    assert summary.labels == {"expression": {"happy": {"train": 1}}}


@pytest.mark.parametrize(
    ("emotion", "pixels", "usage", "reason"),
    [
        ("7", None, "Training", "the expression is no number from 0 to 6"),
        ("", None, "Training", "the expression is no number from 0 to 6"),
        ("1", None, "Testing", "the usage is none of Training, PublicTest, PrivateTest"),
        ("1", "1 2 3", "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
        ("1", " ".join(["256"] * 48**2), "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
        ("1", " ".join(["-1"] * 48**2), "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
        ("1", " ".join(["٣"] * 48**2), "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
        ("1", "9" * 5000, "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
        ("1", "", "Training", "the pixels are not 48 × 48 numbers from 0 to 255"),
    ],
)
def test_fer2013__names_broken_rows_and_imports_the_others(
    tmp_path: Path, emotion: str, pixels: str | None, usage: str, reason: str
) -> None:
    face = pixels_of(random_faces(1)[0])
    write_fer2013(
        tmp_path / "fer2013.csv",
        [(0, face, "Training"), (emotion, face if pixels is None else pixels, usage), (4, face, "Training")],
    )
    summary = import_data_set(open_format("fer2013", tmp_path), tmp_path / "out")
    assert summary.broken_names == {reason: ["fer2013.csv, line 3"]}
    assert sorted(path.name for path in (tmp_path / "out/images/train").iterdir()) == [
        "fer0000000.png",
        "fer0000002.png",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"emotion,pixels\n", "has no column usage. Its header has emotion, pixels."),
        (b"", "has no column emotion, pixels, usage. Its header has none."),
        (b"emotion,pixels,Usage\n\xff\xfe\x00,1,2\n", "cannot be read as a CSV file"),
        (b"emotion,pixels,Usage\n1," + b"9" * 200_000 + b",Training\n", "cannot be read as a CSV file"),
    ],
)
def test_fer2013__refuses_another_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "fer2013.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        import_data_set(open_format("fer2013", tmp_path), tmp_path / "out")
    assert not (tmp_path / "out/labels.parquet").exists()


def test_fer2013__refuses_a_source_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no fer2013\.csv or icml_face_data\.csv"):
        open_format("fer2013", tmp_path)


def test_fer2013__reads_pixels_of_removed_images_too(tmp_path: Path) -> None:
    write_fer2013(tmp_path / "fer2013.csv", [(6, EMPTY, "Training")])
    assert import_data_set(open_format("fer2013", tmp_path), tmp_path / "out").images == 1
