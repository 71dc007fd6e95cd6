"""Verification sets as insightface ships them: LFW, CFP-FP, AgeDB-30 and others, as `lfw.bin` and so on."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from shlex import join
from typing import Any, BinaryIO

from faceml.config import ConfigError
from faceml.formats.data_format import SPLIT, BrokenRecord, DataFormat, ImportedImage, image_suffix
from faceml.formats.importing import IMAGES_FOLDER
from faceml.formats.next_jobs import TABLE_FOLDER
from faceml.formats.pickled_pairs import PickledPairs, StoredBytes, read_pickled_pairs

SUFFIX = ".bin"
NAMES = ("lfw", "cfp_fp", "agedb_30", "cfp_ff", "calfw", "cplfw", "vgg2_fp")
PAIRS_FOLDER = "pairs"
SIGNATURE_BYTES = 8
PICKLE_START = b"\x80"
"""First byte of a pickle in protocol 2 or later."""


class InsightfaceBin(DataFormat):
    """Files of insightface with the images of verification pairs, which name no people.

    The images of `lfw.bin` become `lfw/000000.jpg` and so on. Two after another are a pair, a line of
    `pairs/lfw.txt`, in the order of the folds.
    """

    name = "insightface-bin"
    description = "LFW, CFP-FP, AgeDB-30 and other verification sets of insightface: lfw.bin and others"

    def __init__(self, source: Path) -> None:
        files = [source] if source.is_file() else sorted(source.glob(f"*{SUFFIX}"))
        if not files:
            raise ConfigError(f"{source}: has no *{SUFFIX}. Name the folder of lfw.bin, or one such file.")
        self._sets: dict[Path, PickledPairs] = {file: read_pickled_pairs(file) for file in files}

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether this is a pickle named `*.bin`, or a folder with one of insightface's names."""
        files = [source] if source.suffix == SUFFIX else [source / f"{name}{SUFFIX}" for name in NAMES]
        return any(file.is_file() and _starts_as_pickle(file) for file in files)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of pairs."""
        return tuple(self._sets)

    def count_records(self) -> int:
        """Return the number of images."""
        return sum(len(found.images) for found in self._sets.values())

    def records(self) -> Iterator[ImportedImage | BrokenRecord]:
        """Read the images of one file after another."""
        for file, found in self._sets.items():
            with file.open("rb") as stream:
                for number, image in enumerate(found.images):
                    name = _name_image(file, number, image, stream)
                    if name is None:
                        yield BrokenRecord(f"{file.name}, image {number}", "is no JPEG or PNG image")
                    else:
                        yield ImportedImage(name, {SPLIT: file.stem}, partial(image.read, stream))

    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Return nothing: these sets are for verification alone."""
        return {}

    def texts(self) -> Mapping[str, str]:
        """Return the list of pairs of each file; a pair with a broken image is left out."""
        lists = {}
        for file, (images, same) in self._sets.items():
            with file.open("rb") as stream:
                names = [_name_image(file, number, image, stream) for number, image in enumerate(images)]
            pairs = zip(names[::2], names[1::2], same, strict=True)
            lines = [f"{one}\t{other}\t{int(flag)}\n" for one, other, flag in pairs if one and other]
            lists[f"{PAIRS_FOLDER}/{file.stem}.txt"] = "".join(lines)
        return lists

    def advice(self, output: Path) -> Sequence[str]:
        """Return for each file the settings that verify a training on its pairs."""
        output, lines = output.absolute(), list[str]()
        for file in self._sets:
            settings = {
                "data.val.table": output / TABLE_FOLDER,
                "data.val.images": output / IMAGES_FOLDER,
                "data.val.where": f"{{folder: {file.stem}}}",
                "data.pairs.file": output / PAIRS_FOLDER / f"{file.stem}.txt",
            }
            options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
            lines += [f"Settings of faceml transfer to verify on {file.stem}:", join(options)]
        return lines


def _name_image(file: Path, number: int, image: StoredBytes, stream: BinaryIO) -> str | None:
    """Return the name of an image file; None if it is no image."""
    suffix = image_suffix(image.read(stream, SIGNATURE_BYTES))
    return None if suffix is None else f"{file.stem}/{number:06d}{suffix}"


def _starts_as_pickle(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(1) == PICKLE_START
