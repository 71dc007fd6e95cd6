import os
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from faceml.config import ConfigError
from faceml.formats import ImportSummary, import_data_set, open_format
from faceml.formats.data_format import ImportedImage
from faceml.formats.registry import find_format
from tests.formats.record_files import (
    MAGIC,
    index_records,
    pack,
    random_images,
    write_records,
    write_train_rec,
)

DAMAGED = "damaged or cut off"
JPEG = b"\xff\xd8\xff\xe0"


def import_records(source: Path, output: Path) -> ImportSummary:
    return import_data_set(open_format("mxnet-rec", source), output)


def files_of(output: Path) -> dict[str, bytes]:
    root = output / "images"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def expected_files(images: Sequence[tuple[int, bytes]], step: int) -> dict[str, bytes]:
    """Return files by name for the person and the content of the records 1, 2, …"""
    return {
        f"{'train' if person % step else 'val'}/{person:07d}/{number:08d}.jpg": image
        for number, (person, image) in enumerate(images, start=1)
    }


def test_mxnet_rec__writes_each_image_as_it_is_by_person(tmp_path: Path) -> None:
    images = random_images(24)
    people = {person: images[person * 2 : person * 2 + 2] for person in range(12)}
    write_train_rec(tmp_path / "shipped", people)

    summary = import_records(tmp_path / "shipped", tmp_path / "out")

    flat = [(person, image) for person, of_person in people.items() for image in of_person]
    assert files_of(tmp_path / "out") == expected_files(flat, 5)
    assert summary.splits == {"train": 18, "val": 6}  # people 0, 5 and 10
    assert not summary.broken
    assert import_records(tmp_path / "shipped/train.rec", tmp_path / "file").images == 24
    assert find_format(tmp_path / "shipped") == find_format(tmp_path / "shipped/train.rec") == "mxnet-rec"


@pytest.mark.parametrize(("number", "step"), [(10, 5), (200, 5), (500, 12), (2_000, 50), (10_572, 50)])
def test_mxnet_rec__holds_out_people(tmp_path: Path, number: int, step: int) -> None:
    """The first record alone tells the number of people, so a few images are enough."""
    labels = [0, step - 1, step, 2 * step]
    records = [pack((5, 5 + number), 0), *(pack(float(label), 1, JPEG) for label in labels)]
    write_records(tmp_path / "train.rec", [*records, *[pack((1, 2), 5)] * 4])
    import_records(tmp_path, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/images/val").iterdir()) == [
        f"{label:07d}" for label in (0, step, 2 * step)
    ]


def test_mxnet_rec__reads_files_of_im2rec_without_an_index_record(tmp_path: Path) -> None:
    images = random_images(4)
    labels = [0, (49.0, 7.0), (50.0,), 51]  # more than one label of a record: the first is the person
    write_records(
        tmp_path / "a.rec", [pack(label, 0, image) for label, image in zip(labels, images, strict=True)]
    )
    data = open_format("mxnet-rec", tmp_path / "a.rec")
    assert data.count_records() == 4
    import_data_set(data, tmp_path / "out")
    assert files_of(tmp_path / "out") == {
        "val/0000000/00000000.jpg": images[0],
        "train/0000049/00000001.jpg": images[1],
        "val/0000050/00000002.jpg": images[2],
        "train/0000051/00000003.jpg": images[3],
    }


def test_mxnet_rec__counts_the_people_of_im2rec(tmp_path: Path) -> None:
    images = random_images(20)
    records = [pack(float(person), 0, image) for person, image in enumerate(images, start=1)]
    write_records(tmp_path / "a.rec", records)
    summary = import_records(tmp_path / "a.rec", tmp_path / "out")
    assert summary.splits == {"train": 16, "val": 4}  # people 5, 10, 15 and 20


@pytest.mark.parametrize(
    "image",
    [
        JPEG + MAGIC,
        JPEG + MAGIC * 3 + b"end",
        JPEG + b"x" * 4 + MAGIC + b"y" * 9 + MAGIC,
        JPEG + b"xy" + MAGIC + b"z",  # not at a multiple of 4, so it is not split
        b"\x89PNG\r\n\x1a\n" + MAGIC + b"!",
        *(JPEG + b"." * length for length in range(5)),
    ],
)
def test_mxnet_rec__joins_records_of_several_parts(tmp_path: Path, image: bytes) -> None:
    write_records(tmp_path / "train.rec", [pack(1.0, 0, JPEG), pack(1.0, 1, image), pack(1.0, 2, JPEG)])
    summary = import_records(tmp_path, tmp_path / "out")
    suffix = "png" if image[:4] == b"\x89PNG" else "jpg"
    assert (tmp_path / f"out/images/train/0000001/00000001.{suffix}").read_bytes() == image
    assert (summary.images, dict(summary.broken)) == (3, {})


@pytest.fixture
def shipped(tmp_path: Path) -> tuple[Path, list[int], list[bytes]]:
    """Return the folder of six images of two people, the position of each record, and the images."""
    images = random_images(6)
    return tmp_path, write_train_rec(tmp_path, {1: images[:3], 2: images[3:]}), images


def overwrite(file: Path, position: int, content: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(position)
        stream.write(content)


def part_of_length(length: int) -> bytes:
    return struct.pack("<I", length)


@pytest.mark.parametrize(
    ("content", "offset", "lost"),
    [
        (b"\0\0\0\0", 0, [2, 3]),  # the magic number of record 3: record 2 may be too short
        (part_of_length(2**29 - 1), 4, [3]),
        (part_of_length(4), 4, [3]),
        (part_of_length(0), 4, [3]),
        (part_of_length(2 << 29 | 100), 4, [3]),  # a part that begins no record
        (part_of_length(1 << 29 | 100), 4, [3]),
        (part_of_length(7 << 29 | 100), 4, [3]),
        (bytes(40), 0, [2, 3]),
    ],
)
def test_mxnet_rec__names_a_damaged_record_and_goes_on(
    shipped: tuple[Path, list[int], list[bytes]], content: bytes, offset: int, lost: list[int]
) -> None:
    source, places, images = shipped
    overwrite(source / "train.rec", places[3] + offset, content)
    summary = import_records(source, source / "out")
    kept = [image for number, image in enumerate(images, start=1) if number not in lost]
    assert sorted(files_of(source / "out").values()) == sorted(kept)
    bytes_lost = f"train.rec, bytes {places[lost[0]]:,} to {places[4]:,}"
    assert summary.broken_names == {DAMAGED: [bytes_lost]}


@pytest.mark.parametrize(
    ("record", "cut", "whole"),
    [(4, 0, 3), (4, 3, 2), (4, 8, 3), (4, 50, 3), (7, -1, 5), (7, 0, 6), (8, 4, 6)],
)
def test_mxnet_rec__names_what_a_download_that_was_cut_off_misses(
    shipped: tuple[Path, list[int], list[bytes]], record: int, cut: int, whole: int
) -> None:
    """Of record 4 and so on only the first bytes are there. The records 7 and 8 are those of the people."""
    source, places, images = shipped
    os.truncate(source / "train.rec", places[record] + cut)
    summary = import_records(source, source / "out")
    assert sorted(files_of(source / "out").values()) == sorted(images[:whole])
    missing = summary.broken_names.get("missing at the end, the file is cut off")
    first = record + (cut > 3)
    assert missing == (None if first > 6 else [f"train.rec, records {first} to 6"])
    assert (DAMAGED in summary.broken) == (cut != 0)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "has no JPEG or PNG image"),
        (bytes(23), "has no JPEG or PNG image"),
        (pack(1.0, 3), "has no JPEG or PNG image"),
        (pack(1.0, 3, b"GIF89a.."), "has no JPEG or PNG image"),
        (struct.pack("<IfQQ", 2**32 - 1, 0, 3, 0) + JPEG, "has no JPEG or PNG image"),
        (struct.pack("<IfQQ", 2, 0, 3, 0) + b"12345", "has no JPEG or PNG image"),
        (pack(0.5, 3, JPEG), "the label is no number of a person"),
        (pack(-1.0, 3, JPEG), "the label is no number of a person"),
        (pack(float("nan"), 3, JPEG), "the label is no number of a person"),
        (pack(float("inf"), 3, JPEG), "the label is no number of a person"),
        (pack((float("nan"), 1.0), 3, JPEG), "the label is no number of a person"),
        (pack((float("nan"), 1.0), 3), "has no JPEG or PNG image"),
    ],
)
def test_mxnet_rec__names_a_record_without_image_or_person(
    tmp_path: Path, record: bytes, reason: str
) -> None:
    write_records(tmp_path / "train.rec", [pack(1.0, 0, JPEG), record, pack(1.0, 2, JPEG)])
    summary = import_records(tmp_path, tmp_path / "out")
    assert summary.broken_names == {reason: ["train.rec, record 00000001"]}
    assert summary.images == 2


def test_mxnet_rec__refuses_another_file(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(b"PK\x03\x04 an archive")
    with pytest.raises(ConfigError, match=r"train.rec: is no file of MXNet. Name train.rec, or its folder"):
        open_format("mxnet-rec", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty: has no train.rec"):
        open_format("mxnet-rec", tmp_path / "empty")


def test_mxnet_rec__does_not_read_images_that_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = {person: [JPEG + bytes(100_000)] * 2 for person in range(10)}
    write_train_rec(tmp_path, people)
    import_records(tmp_path, tmp_path / "out")
    pread, read = os.pread, []

    def count(descriptor: int, length: int, position: int) -> bytes:
        read.append(length)
        return pread(descriptor, length, position)

    monkeypatch.setattr(os, "pread", count)
    summary = import_records(tmp_path, tmp_path / "out")
    assert (summary.images, summary.written) == (20, 0)
    assert sum(read) < 20 * 100


def test_mxnet_rec__reads_many_records_in_constant_memory(tmp_path: Path) -> None:
    peaks = []
    for number in (200, 2_000):
        people = {person: [JPEG + b"." * 400] * 10 for person in range(number // 10)}
        write_records(tmp_path / "train.rec", index_records(people))
        data = open_format("mxnet-rec", tmp_path)
        tracemalloc.start()
        assert sum(isinstance(record, ImportedImage) for record in data.records()) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20_000
