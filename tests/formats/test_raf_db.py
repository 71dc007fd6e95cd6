from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from faceml.formats.registry import find_format
from tests.formats.conftest import LabelsOf
from tests.formats.shipped import RAF_NUMBERS

LIST = "basic/EmoLabel/list_patition_label.txt"


def write_list(root: Path, text: str | bytes, images: str = "aligned") -> Path:
    """A list, and the images `train_00001` to `train_00003`, which are aligned or not."""
    (root / LIST).parent.mkdir(parents=True)
    (root / LIST).write_bytes(text if isinstance(text, bytes) else text.encode())
    folder = root / "basic/Image" / images
    folder.mkdir(parents=True)
    for number in range(1, 4):
        (folder / f"train_{number:05d}{'_aligned' if images == 'aligned' else ''}.jpg").touch()
    return root


def test_raf_db__names_the_expressions_of_its_own_numbering(
    shipped: Callable[[str], Path], tmp_path: Path, labels_of: LabelsOf
) -> None:
    source = shipped("raf-db")
    data = open_format("raf-db", source)

    summary = import_data_set(data, tmp_path / "out")

    assert (data.images, data.count_records()) == (source / "basic/Image/aligned", 24)
    assert labels_of(tmp_path / "out") == {
        f"{split}_{number + 1:05d}_aligned.jpg": {"split": split, "expression": RAF_NUMBERS[number % 7 + 1]}
        for number in range(24)
        for split in ["train" if number < 16 else "test"]
    }
    assert not summary.broken
    assert data.splits["val"] == {"split": "test"}


@pytest.mark.parametrize(
    ("text", "images", "broken"),
    [
        ("train_00001.jpg 5\ntrain_00002.jpg 1\n", "aligned", {}),
        ("train_00001.jpg 5\r\n\r\ntrain_00002.jpg 1", "aligned", {}),
        ("\ufefftrain_00001.jpg 5\ntrain_00002.jpg 1\n", "original", {}),
        ("train_00001.jpg 5\ntrain_00002.jpg 1\ntrain_00009.jpg 1\n", "aligned", {"no such image": 3}),
        ("train_00001.jpg 5\ntrain_00002.jpg 1\n../train_00003.jpg 1\n", "aligned", {"no such image": 3}),
        ("train_00001.jpg 5\ntrain_00002.jpg 1\ntrain\0.jpg 1\n", "aligned", {"no such image": 3}),
        (
            "train_00001.jpg 5\ntrain_00002.jpg 1\ntrain_00003.jpg 0\n",
            "aligned",
            {"the expression is no number from 1 to 7": 3},
        ),
        ("train_00001.jpg 5\ntrain_00002.jpg 1\ntrain_00003.jpg\n", "aligned", {"not 2 values": 3}),
    ],
)
def test_raf_db__reads_its_list(
    tmp_path: Path, labels_of: LabelsOf, text: str, images: str, broken: dict[str, int]
) -> None:
    source = write_list(tmp_path / "in", text, images)
    summary = import_data_set(open_format("raf-db", source), tmp_path / "out")
    assert [row["expression"] for row in labels_of(tmp_path / "out").values()] == ["sad", "surprise"]
    names = {reason: [f"list_patition_label.txt, line {line}"] for reason, line in broken.items()}
    assert summary.broken_names == names


@pytest.mark.parametrize("text", [b"\xff\xfet\0r\0", b"train_00001.jpg 5\n\xe9.jpg 1\n", b"x" * 3_000_000])
def test_raf_db__refuses_another_file(tmp_path: Path, text: bytes) -> None:
    source = write_list(tmp_path / "in", text)
    with pytest.raises(ConfigError, match=r"list_patition_label\.txt: (cannot be read|has no column)"):
        import_data_set(open_format("raf-db", source), tmp_path / "out")


def test_raf_db__names_images_of_neither_split(tmp_path: Path) -> None:
    source = write_list(tmp_path / "in", "train_00001.jpg 5\nvalid_00001.jpg 1\n")
    (source / "basic/Image/aligned/valid_00001_aligned.jpg").touch()
    summary = import_data_set(open_format("raf-db", source), tmp_path / "out")
    assert summary.broken == {"the name does not begin with train or test": 1}


def test_raf_db__reads_folders_by_label(tmp_path: Path, labels_of: LabelsOf) -> None:
    """The most downloaded archive of Kaggle."""
    root = tmp_path / "archive"
    for split in ("train", "test"):
        for number in RAF_NUMBERS:
            folder = root / "DATASET" / split / str(number)
            folder.mkdir(parents=True)
            (folder / f"{split}_0000{number}_aligned.jpg").touch()
        (root / f"{split}_labels.csv").write_text("image,label\n")
    (root / "DATASET/train/8").mkdir()
    (root / "DATASET/train/8/train_00008_aligned.jpg").touch()
    (root / "DATASET/notes.txt").touch()
    data = open_format("raf-db", root)

    summary = import_data_set(data, tmp_path / "out")

    assert labels_of(tmp_path / "out") == {
        f"{split}/{number}/{split}_0000{number}_aligned.jpg": {"split": split, "expression": name}
        for split in ("train", "test")
        for number, name in RAF_NUMBERS.items()
    }
    assert summary.broken_names == {
        "the expression is no number from 1 to 7": ["train/8/train_00008_aligned.jpg"]
    }
    for named in (root, root / "DATASET", root / "DATASET/train"):
        assert find_format(named) == "raf-db"
        assert open_format("raf-db", named).images == root / "DATASET"


@pytest.mark.parametrize("named", ["", "basic", "basic/Image", "basic/Image/aligned", "basic/EmoLabel", LIST])
def test_raf_db__is_recognised_by_its_folders(tmp_path: Path, named: str) -> None:
    source = write_list(tmp_path / "in", "train_00001.jpg 5\n")
    assert find_format(source / named) == "raf-db"
    assert open_format("raf-db", source / named).images == source / "basic/Image/aligned"
    assert find_format(tmp_path) is None


def test_raf_db__refuses_a_list_without_images(tmp_path: Path) -> None:
    source = write_list(tmp_path / "in", "train_00001.jpg 5\n")
    (source / "basic/Image/aligned").rename(source / "elsewhere")
    with pytest.raises(
        ConfigError, match=r"has a list but no images\. Unpack the archive of Image/aligned there"
    ):
        open_format("raf-db", source)
    with pytest.raises(
        ConfigError, match=r"has neither EmoLabel/list_patition_label\.txt nor the folder DATASET"
    ):
        open_format("raf-db", tmp_path)
