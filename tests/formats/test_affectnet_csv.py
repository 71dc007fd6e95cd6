import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format
from faceml.formats.registry import find_format
from tests.formats.conftest import LabelsOf
from tests.formats.shipped import CSV_HEADER, LABELS, list_row

BOX = {"face_x": 7, "face_y": 9, "face_width": 80, "face_height": 81}
AFFECT = {"valence": 0.5, "arousal": -0.25}


def write_lists(root: Path, training: list[str], validation: list[str] | None = None) -> Path:
    """Write both lists, beside the folder `Manually_Annotated_Images` with the images 1/0.jpg to 1/9.jpg."""
    folder = root / "Manually_Annotated_Images/1"
    folder.mkdir(parents=True)
    for number in range(10):
        (folder / f"{number}.jpg").touch()
    (root / "training.csv").write_text("\n".join([CSV_HEADER, *training]) + "\n")
    (root / "validation.csv").write_text("\n".join(validation or [list_row("1/9.jpg", 0)]) + "\n")
    return root


def test_affectnet_csv__labels_the_images_where_they_are(
    shipped: Callable[[str], Path], tmp_path: Path, labels_of: LabelsOf
) -> None:
    source = shipped("affectnet-csv")
    data = open_format("affectnet-csv", source)

    summary = import_data_set(data, tmp_path / "out")

    assert data.count_records() == 24 + 1
    assert data.images == source / "Manually_Annotated/Manually_Annotated_Images"
    expected = {}
    for number in range(24):
        name = LABELS[number % 8]
        path = f"{689 + number % 2}/{number:056x}.{'JPG' if number % 3 else 'jpg'}"
        labels = {"split": "train" if number < 16 else "val", "expression": name, "annotation": name}
        expected[path] = {**labels, **AFFECT, **BOX, "automatic": False}
    assert labels_of(tmp_path / "out") == expected
    assert {path.relative_to(data.images).as_posix() for path in data.images.glob("*/*")} == expected.keys()
    assert (summary.splits, summary.broken_names) == (
        {"train": 16, "val": 8},
        {"no such image": ["training.csv, line 18"]},
    )


def test_affectnet_csv__knows_three_annotations_that_are_no_expressions(
    tmp_path: Path, labels_of: LabelsOf
) -> None:
    names = [*LABELS, "none", "uncertain", "no-face"]
    source = write_lists(tmp_path / "in", [list_row(f"1/a{n}.png", n, -2, -2) for n in range(11)])
    for number in range(11):
        (source / f"Manually_Annotated_Images/1/a{number}.png").touch()
    import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    labels = labels_of(tmp_path / "out")
    for number, name in enumerate(names):
        expected = {"split": "train", "annotation": name, "automatic": False, **BOX}
        expected |= {"expression": name} if number < 8 else {}
        assert labels[f"1/a{number}.png"] == expected


def test_affectnet_csv__finds_images_below_their_folder_only(tmp_path: Path, labels_of: LabelsOf) -> None:
    lost = ["1/33.jpg", "../outside.jpg", "1/../1/3.jpg", "/etc/hostname", "1/3.jpg\0", "1", ""]
    lost.append("1/" + "3" * 5_000 + ".jpg")
    paths = ["1\\3.jpg", "1/4.JPG", *lost]
    source = write_lists(tmp_path / "in", [list_row(path, 1) for path in paths])
    (source / "outside.jpg").touch()
    summary = import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    assert labels_of(tmp_path / "out").keys() == {"1/3.jpg", "1/4.jpg", "1/9.jpg"}
    lines = [f"training.csv, line {number}" for number in range(4, 4 + len(lost))]
    assert summary.broken_names == {"no such image": lines}


def test_affectnet_csv__names_broken_rows_and_imports_the_others(tmp_path: Path, labels_of: LabelsOf) -> None:
    no_expression = "the expression is no number from 0 to 10"
    no_valence, no_arousal = (
        f"the {name} is no number from -1 to 1 nor -2" for name in ("valence", "arousal")
    )
    rows = {
        list_row("1/3.jpg", 11): no_expression,
        list_row("1/3.jpg", -1): no_expression,
        list_row("1/3.jpg", ""): no_expression,
        list_row("1/3.jpg", "1.5"): no_expression,
        list_row("1/3.jpg", "³"): no_expression,
        list_row("1/3.jpg", 1, 1.5): no_valence,
        list_row("1/3.jpg", 1, 0, "nan"): no_arousal,
        list_row("1/3.jpg", 1, 0, "1e999"): no_arousal,
        "1/3.jpg,1,2": "not 9 values",
    }
    source = write_lists(tmp_path / "in", [list_row("1/0.jpg", 1), *rows, list_row("1/4.jpg", 2)])
    summary = import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    found = {name: reason for reason, names in summary.broken_names.items() for name in names}
    assert found == {
        f"training.csv, line {number}": reason for number, reason in enumerate(rows.values(), start=3)
    }
    assert labels_of(tmp_path / "out").keys() == {"1/0.jpg", "1/4.jpg", "1/9.jpg"}


def test_affectnet_csv__refuses_a_huge_line(tmp_path: Path) -> None:
    source = write_lists(tmp_path / "in", [list_row("1/0.jpg", 1), "x" * 3_000_000])
    with pytest.raises(ConfigError, match=r"training\.csv: cannot be read as a CSV file .*field limit"):
        import_data_set(open_format("affectnet-csv", source), tmp_path / "out")


def test_affectnet_csv__keeps_the_face_box(tmp_path: Path, labels_of: LabelsOf) -> None:
    boxes = {
        "7,9,80,81": BOX,
        "-7,9,80,81": BOX | {"face_x": -7},
        "-1,-1,-1,-1": {},
        "7,9,0,81": {},
        "7,9,,81": {},
        "7,9,99999999999,81": {},
    }
    rows = [list_row(f"1/{number}.jpg", 1).replace("7,9,80,81", box) for number, box in enumerate(boxes)]
    source = write_lists(tmp_path / "in", rows)
    import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    labels = labels_of(tmp_path / "out")
    for number, box in enumerate(boxes.values()):
        row = labels[f"1/{number}.jpg"]
        assert {name: value for name, value in row.items() if name.startswith("face_")} == box


def test_affectnet_csv__reads_windows_line_ends_a_byte_order_mark_and_a_header(
    tmp_path: Path, labels_of: LabelsOf
) -> None:
    source = write_lists(tmp_path / "in", [])
    (source / "training.csv").write_bytes(f"\ufeff{CSV_HEADER}\r\n{list_row('1/0.jpg', 1)}\r\n".encode())
    (source / "validation.csv").write_bytes(f"{CSV_HEADER}\r\n{list_row('1/1.jpg', 2)}\r\n\r\n".encode())
    summary = import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    assert summary.splits == {"train": 1, "val": 1}
    assert not summary.broken


def test_affectnet_csv__refuses_another_encoding(tmp_path: Path) -> None:
    source = write_lists(tmp_path / "in", [])
    (source / "training.csv").write_bytes(f"{CSV_HEADER}\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"training\.csv: cannot be read as a CSV file"):
        import_data_set(open_format("affectnet-csv", source), tmp_path / "out")
    assert not (tmp_path / "out/labels.parquet").exists()


@pytest.mark.parametrize(
    ("lists", "images"),
    [
        ("", "Automatically_Annotated_Images"),
        ("Automatically_annotated_file_list", "Automatically_Annotated/Automatically_Annotated_Images"),
        (
            "Automatically_Annotated_file_lists",
            "Automatically_Annotated_compressed/Automatically_Annotated/Automatically_Annotated_Images",
        ),
        ("", "Automatically_Annotated_Images/Automatically_Annotated_Images"),
    ],
)
def test_affectnet_csv__adds_images_annotated_by_a_network_to_the_training_split(
    tmp_path: Path, labels_of: LabelsOf, lists: str, images: str
) -> None:
    source = write_lists(tmp_path / "in", [list_row("1/0.jpg", 1)])
    (source / lists).mkdir(exist_ok=True)
    automatic = f"{CSV_HEADER}\n{list_row('1/0.jpg', 2)}\n"
    (source / lists / "automatically_annotated.csv").write_text(automatic)
    (source / images / "1").mkdir(parents=True)
    (source / images / "1/0.jpg").touch()
    data = open_format("affectnet-csv", source)

    import_data_set(data, tmp_path / "out")

    assert data.images == source
    labels = labels_of(tmp_path / "out")
    assert {path: (row["split"], row["expression"], row["automatic"]) for path, row in labels.items()} == {
        "Manually_Annotated_Images/1/0.jpg": ("train", "happy", False),
        "Manually_Annotated_Images/1/9.jpg": ("val", "neutral", False),
        f"{images}/1/0.jpg": ("train", "sad", True),
    }


def test_affectnet_csv__leaves_out_a_list_without_its_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_lists(tmp_path / "in", [list_row("1/0.jpg", 1)])
    (source / "automatically_annotated.csv").write_text(f"{CSV_HEADER}\n")
    data = open_format("affectnet-csv", source)
    assert data.images == source / "Manually_Annotated_Images"
    assert "automatically_annotated.csv: is left out, because there is no folder of its images" in caplog.text


@pytest.mark.parametrize(
    "named", ["", "training.csv", "Manually_Annotated_Images", "Manually_Annotated_Images/1"]
)
def test_affectnet_csv__is_recognised_by_its_folders(tmp_path: Path, named: str) -> None:
    source = write_lists(tmp_path / "in", [list_row("1/0.jpg", 1)])
    is_whole = named != "Manually_Annotated_Images/1"
    assert find_format(source / named) == ("affectnet-csv" if is_whole else None)
    if is_whole:
        assert open_format("affectnet-csv", source / named).images == source / "Manually_Annotated_Images"
    shutil.rmtree(source / "Manually_Annotated_Images")
    assert find_format(source) is None
    with pytest.raises(ConfigError, match="Unpack their archives into one folder and name it"):
        open_format("affectnet-csv", source)


def test_affectnet_csv__ends_in_a_folder_that_links_to_itself(tmp_path: Path) -> None:
    (tmp_path / "Manually_Annotated").symlink_to(".", target_is_directory=True)
    assert find_format(tmp_path) is None
