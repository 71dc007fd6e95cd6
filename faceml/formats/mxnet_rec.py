"""Face recognition sets as insightface ships them for MXNet: CASIA-WebFace, MS1M and others."""

import struct
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from faceml.config import ConfigError
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, image_suffix
from faceml.formats.recordio import MAGIC, Damage, Record, read_records
from faceml.formats.source_files import find_file

FILE_NAME = "train.rec"
HEADER = struct.Struct("<IfQQ")
"""MXNet's `IRHeader`: number of labels that follow, the label if none does, and two identifiers."""
LABEL = struct.Struct("<f")
SIGNATURE_BYTES = 8
PEOPLE_HELD_OUT = 40
"""Approximate number of people who are held out of 200 to 2,000."""
SMALLEST_STEP, LARGEST_STEP = 5, 50
"""Every fifth person is held out of smaller sets, every 50th of larger ones."""


class MxnetRec(DataFormat):
    """`train.rec` of insightface, or of MXNet's `im2rec`: one record per image, labelled by person.

    The images become `train/0000045/00000123.jpg`, by number of the person and of the record. Those of every
    50th person, by number, become `val/0000050/…`. Of n < 2,000 people it is every n // 40-th instead, but at
    most every fifth. insightface's first record has n; without it, the people are counted.
    """

    name = "mxnet-rec"
    description = "CASIA-WebFace, MS1M and other sets of insightface: train.rec with images of people"
    splits = {"train": {"source": "train"}, "val": {"source": "val"}}
    image_folders = ("train", "val")

    def __init__(self, source: Path) -> None:
        self._file = source if source.is_file() else find_file(source, (FILE_NAME,), "insightface")
        with self._file.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise ConfigError(f"{self._file}: is no file of MXNet. Name {FILE_NAME}, or its folder.")
            first = next(read_records(stream))
            header = None if isinstance(first, Damage) else _read_header(first)
        self._end_of_images = 0
        if header is not None and header.is_index:
            self._end_of_images, end_of_people = map(int, header.labels)
            people = end_of_people - self._end_of_images
        else:
            people = self._count_people()
        self._step = min(LARGEST_STEP, max(SMALLEST_STEP, people // PEOPLE_HELD_OUT))

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether this is a file of records, or a folder with `train.rec`."""
        return source.suffix == ".rec" or (source / FILE_NAME).is_file()

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of records."""
        return (self._file,)

    def count_records(self) -> int:
        """Return the number of images in insightface's first record, or count the records."""
        if self._end_of_images > 1:
            return self._end_of_images - 1
        with self._file.open("rb") as stream:
            return sum(1 for _ in read_records(stream))

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the images; insightface's first record, and its last ones about the people, have none."""
        number, header = 0, None
        with self._file.open("rb") as stream:
            for number, record in enumerate(read_records(stream)):
                header = None if isinstance(record, Damage) else _read_header(record)
                if isinstance(record, Damage):
                    yield self._broken(f"bytes {record.position:,} to {record.end:,}", "damaged or cut off")
                elif header is None or not header.is_index:
                    yield self._read_image(f"{number:08d}", record, header)
        if number < self._end_of_images - 1 and not (header is not None and header.is_index):
            missing = f"records {number + 1:,} to {self._end_of_images - 1:,}"
            yield self._broken(missing, "missing at the end, the file is cut off")

    def _count_people(self) -> int:
        """Return the number of different labels."""
        with self._file.open("rb") as stream:
            headers = (_read_header(each) for each in read_records(stream) if not isinstance(each, Damage))
            return len({header.labels[0] for header in headers if header is not None})

    def _read_image(
        self, name: str, record: Record, header: "_Header | None"
    ) -> ImportedImage | BrokenRecord:
        suffix = None if header is None else image_suffix(header.signature)
        if header is None or suffix is None:
            return self._broken(f"record {name}", "has no JPEG or PNG image")
        person = header.labels[0]
        if not (person >= 0 and person.is_integer()):
            return self._broken(f"record {name}", "the label is no number of a person")
        split = "val" if person % self._step == 0 else "train"
        return ImportedImage(
            f"{split}/{int(person):07d}/{name}{suffix}", {SPLIT: split}, partial(record.read, header.image_at)
        )

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the settings of a training of face recognition with naive batches of 64 images."""
        batches = {"sampling": "naive", "people_per_batch": 16, "images_per_person": 4}
        return {"transfer": {"data": {"image_size": 112, **batches}, "margin_warmup_epochs": 1}}

    def _broken(self, name: str, reason: str) -> BrokenRecord:
        return BrokenRecord(f"{self._file.name}, {name}", reason)


class _Header(NamedTuple):
    """Header of a record: its first two labels, and the position and the first bytes of its image."""

    labels: tuple[float, ...]
    image_at: int
    signature: bytes

    @property
    def is_index(self) -> bool:
        """Whether the record has a range of other records in place of an image."""
        return len(self.labels) > 1 and all(map(float.is_integer, self.labels)) and not self.signature


def _read_header(record: Record) -> _Header | None:
    """Read the header of a record; None if the record is too short to have one."""
    start = record.read(0, HEADER.size)
    if len(start) < HEADER.size:
        return None
    number, label, *_ = HEADER.unpack(start)
    first = record.read(HEADER.size, min(number, 2) * LABEL.size)
    if len(first) < min(number, 2) * LABEL.size:
        return None
    labels = [value for (value,) in LABEL.iter_unpack(first)] or [label]
    image_at = HEADER.size + number * LABEL.size
    return _Header(tuple(labels), image_at, record.read(image_at, SIGNATURE_BYTES))
