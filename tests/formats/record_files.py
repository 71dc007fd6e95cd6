"""Files of face recognition sets as insightface ships them."""

import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from faceml.images.decoding import encode_jpeg

MAGIC = b"\x0a\x23\xd7\xce"


def encode_part(flag: int, content: bytes) -> bytes:
    """Return a part of dmlc's RecordIO."""
    return MAGIC + struct.pack("<I", flag << 29 | len(content)) + content + bytes(-len(content) % 4)


def encode_record(content: bytes) -> bytes:
    """Return a record, split where dmlc's writer splits it: at the magic number at multiples of 4."""
    pieces, begin = [], 0
    for place in range(0, len(content) // 4 * 4, 4):
        if content[place : place + 4] == MAGIC:
            pieces.append(content[begin:place])
            begin = place + 4
    pieces.append(content[begin:])
    if len(pieces) == 1:
        return encode_part(0, content)
    flags = [1, *[2] * (len(pieces) - 2), 3]
    return b"".join(encode_part(flag, piece) for flag, piece in zip(flags, pieces, strict=True))


def pack(label: float | Sequence[float], number: int, image: bytes = b"") -> bytes:
    """Return what `mxnet.recordio.pack` returns."""
    labels = [] if isinstance(label, float | int) else list(label)
    header = struct.pack("<IfQQ", len(labels), 0.0 if labels else label, number, 0)
    return header + struct.pack(f"<{len(labels)}f", *labels) + image


def write_records(file: Path, records: Sequence[bytes]) -> list[int]:
    """Write a file of records and its index; return the position of each record."""
    places, content = [], bytearray()
    for record in records:
        places.append(len(content))
        content += encode_record(record)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    lines = [f"{number}\t{place}\n" for number, place in enumerate(places)]
    file.with_suffix(".idx").write_text("".join(lines))
    return places


def index_records(people: Mapping[int, Sequence[bytes]]) -> list[bytes]:
    """Return insightface's records: the header, the images, and the range of images of each person."""
    images = [(person, image) for person, of_person in people.items() for image in of_person]
    records, ranges = [pack((len(images) + 1, len(images) + 1 + len(people)), 0)], []
    begin = 1
    for of_person in people.values():
        ranges.append((begin, begin + len(of_person)))
        begin += len(of_person)
    records += [pack(float(person), number, image) for number, (person, image) in enumerate(images, start=1)]
    return records + [pack(limits, begin + place) for place, limits in enumerate(ranges)]


def write_train_rec(folder: Path, people: Mapping[int, Sequence[bytes]]) -> list[int]:
    """Write `train.rec`, `train.idx` and `property` of insightface; return the position of each record.

    Args:
        folder: The folder.
        people: Encoded images by person.
    """
    places = write_records(folder / "train.rec", index_records(people))
    (folder / "property").write_text(f"{len(people)},112,112\n")
    return places


def write_bin(file: Path, images: Sequence[object], same: Sequence[bool], protocol: int = 4) -> None:
    """Write `lfw.bin`: two images of each pair, one after another."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps((list(images), list(same)), protocol=protocol))


def pickle_by_python_2(images: Sequence[bytes], same: Sequence[bool]) -> bytes:
    """Return what `cPickle.dumps((images, same), 2)` of Python 2 returns, whose strings are bytes."""
    strings = b"".join(
        (b"U" + bytes([len(image)]) if len(image) < 256 else b"T" + struct.pack("<i", len(image)))
        + image
        + b"r"
        + struct.pack("<I", 300 + number)
        for number, image in enumerate(images)
    )
    flags = b"".join(b"\x88" if flag else b"\x89" for flag in same)
    return b"\x80\x02]q\x01(" + strings + b"e]q\x02(" + flags + b"e\x86q\x03."


HELD_OUT = (0, 5, 10, 15)
"""People of a small set who are held out for validation, the fewest with whom pairs can be drawn."""


def write_rec(root: Path, faces: Sequence[np.ndarray]) -> Path:
    """Write `train.rec` of people with two faces each, of whom four are held out; return its folder."""
    encoded = [encode_jpeg(face, 90) for face in faces]
    others = [number for number in range(len(faces)) if number % 5]
    numbers = [*HELD_OUT, *others][: len(faces) // 2]
    write_train_rec(root, {number: encoded[2 * n : 2 * n + 2] for n, number in enumerate(numbers)})
    return root


def write_verification(root: Path, faces: Sequence[np.ndarray]) -> Path:
    """Write `lfw.bin` with a pair of every two faces, every other one genuine; return its folder."""
    pairs = len(faces) // 2
    write_bin(root / "lfw.bin", [encode_jpeg(face, 90) for face in faces], [n % 2 == 0 for n in range(pairs)])
    return root


def random_images(number: int, seed: int = 0) -> list[bytes]:
    """Return JPEG files of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (number, 12, 12, 3)).astype(np.uint8)
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in pixels]
