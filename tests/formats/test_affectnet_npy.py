import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from faceml.formats.affectnet_npy import read_value
from faceml.formats.registry import find_format
from tests.formats.conftest import LabelsOf
from tests.formats.shipped import LABELS, write_annotations


def npy(value: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(value), **options)
    return buffer.getvalue()


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A training image and a validation image, both `0.jpg`."""
    for split in ("train_set", "val_set"):
        (tmp_path / f"in/{split}/images").mkdir(parents=True)
        (tmp_path / f"in/{split}/images/0.jpg").touch()
        write_annotations(tmp_path / f"in/{split}/annotations/0", 1)
    return tmp_path / "in"


def test_affectnet_npy__labels_the_images_where_they_are(
    shipped: Callable[[str], Path], tmp_path: Path, labels_of: LabelsOf
) -> None:
    source = shipped("affectnet-npy")
    data = open_format("affectnet-npy", source)

    summary = import_data_set(data, tmp_path / "out")

    assert (data.images, data.count_records(), summary.broken) == (source, 24, {})
    expected = {}
    for number in range(24):
        name, split = LABELS[number % 8], "train" if number < 16 else "val"
        labels = {"split": split, "expression": name, "annotation": name, "valence": 0.5, "arousal": -0.25}
        expected[f"{split}_set/images/{3 * number}.jpg"] = labels
    assert labels_of(tmp_path / "out") == expected
    assert all((source / path).is_file() for path in expected)


@pytest.mark.parametrize(
    ("expression", "valence", "arousal", "labels"),
    [
        ("7", "-0.5", "1.0", {"expression": "contempt", "valence": -0.5, "arousal": 1.0}),
        (7, -0.5, np.float32(1), {"expression": "contempt", "valence": -0.5, "arousal": 1.0}),
        (7.0, "-2", "-2.0", {"expression": "contempt"}),
        (b"7", [0.25], " 0.25\n", {"expression": "contempt", "valence": 0.25, "arousal": 0.25}),
    ],
)
def test_affectnet_npy__reads_text_and_numbers(
    source: Path,
    tmp_path: Path,
    labels_of: LabelsOf,
    expression: object,
    valence: object,
    arousal: object,
    labels: dict[str, object],
) -> None:
    for name, value in (("exp", expression), ("val", valence), ("aro", arousal)):
        (source / f"train_set/annotations/0_{name}.npy").write_bytes(npy(value))
    import_data_set(open_format("affectnet-npy", source), tmp_path / "out")
    row = labels_of(tmp_path / "out")["train_set/images/0.jpg"]
    assert row == {"split": "train", "annotation": "contempt", **labels}


DAMAGED = [
    b"",
    b"\x93NUMPY",
    b"PK\x03\x04" + bytes(100),
    npy("1")[:-1],
    npy("1").replace(b"()", b"(9"),
    npy("1").replace(b"(), ", b"(99999999999,), "),
    npy("1").replace(b"<U1", b"<U0"),
    npy(["1", "1"]),
    npy([]),
    npy(True),
    npy("\ufffe")[:-4] + b"\xff" * 4,
    npy(1 + 2j),
]


@pytest.mark.parametrize("name", ["exp", "val", "aro"])
def test_affectnet_npy__names_damaged_files_and_imports_the_others(
    source: Path, tmp_path: Path, labels_of: LabelsOf, name: str
) -> None:
    folder = source / "train_set"
    for number, content in enumerate(DAMAGED, start=1):
        (folder / f"images/{number}.jpg").touch()
        write_annotations(folder / f"annotations/{number}", 1)
        (folder / f"annotations/{number}_{name}.npy").write_bytes(content)
    summary = import_data_set(open_format("affectnet-npy", source), tmp_path / "out")
    damaged = {f"train_set/annotations/{number}_{name}.npy" for number in range(1, len(DAMAGED) + 1)}
    ((reason, names),) = summary.broken_names.items()
    assert (reason, set(names)) == ("no file of a single value", damaged)
    assert labels_of(tmp_path / "out").keys() == {"train_set/images/0.jpg", "val_set/images/0.jpg"}


def test_affectnet_npy__unpickles_nothing(source: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    pickled = npy(Hostile(touched), allow_pickle=True)
    (source / "train_set/annotations/0_exp.npy").write_bytes(pickled)
    (source / "val_set/annotations/0_val.npy").write_bytes(pickle.dumps(Hostile(touched)))
    with pytest.raises(ConfigError, match=r"no record has an image .2 × no file of a single value"):
        import_data_set(open_format("affectnet-npy", source), tmp_path / "out")
    assert not touched.exists()
    np.load(io.BytesIO(pickled), allow_pickle=True)
    assert touched.exists()


@given(st.data())
def test_read_value__survives_any_damage(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(npy("0.785714"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.npy"
    file.write_bytes(content)
    value = read_value(file)
    assert value is None or isinstance(value, str)


def test_affectnet_npy__names_what_it_leaves_out(source: Path, tmp_path: Path, labels_of: LabelsOf) -> None:
    write_annotations(source / "train_set/annotations/8", 2)
    write_annotations(source / "train_set/annotations/9", 11)
    (source / "train_set/images/9.JPG").touch()
    (source / "train_set/annotations/.hidden_exp.npy").touch()
    (source / "train_set/annotations/\udcff_exp.npy").touch()
    write_annotations(source / "train_set/annotations/7", 1)
    (source / "train_set/images/7.jpg").touch()
    (source / "train_set/annotations/7_val.npy").unlink()
    os.mkfifo(source / "train_set/annotations/7_val.npy")
    summary = import_data_set(open_format("affectnet-npy", source), tmp_path / "out")
    assert {reason: sorted(names) for reason, names in summary.broken_names.items()} == {
        "no such image": ["train_set/images/8.jpg", "train_set/images/\\xff.jpg"],
        "the expression is no number from 0 to 10": ["train_set/annotations/9_exp.npy"],
        "no file of a single value": ["train_set/annotations/7_val.npy"],
    }
    assert labels_of(tmp_path / "out").keys() == {"train_set/images/0.jpg", "val_set/images/0.jpg"}


@pytest.mark.parametrize("named", ["", "train_set", "val_set/images", "train_set/annotations"])
def test_affectnet_npy__is_recognised_by_its_folders(source: Path, named: str) -> None:
    assert find_format(source / named) == "affectnet-npy"
    assert open_format("affectnet-npy", source / named).images == source


def test_affectnet_npy__reads_the_short_names_of_folders(
    source: Path, tmp_path: Path, labels_of: LabelsOf
) -> None:
    for split in ("train", "val"):
        (source / f"{split}_set").rename(source / split)
    import_data_set(open_format("affectnet-npy", source), tmp_path / "out")
    assert labels_of(tmp_path / "out").keys() == {"train/images/0.jpg", "val/images/0.jpg"}


def test_affectnet_npy__refuses_one_split(source: Path) -> None:
    (source / "val_set").rename(source / "other")
    with pytest.raises(ConfigError, match="has no train_set and val_set with images and annotations"):
        open_format("affectnet-npy", source)
    assert find_format(source / "other") is None
