"""The images that paths and folders name."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from faceml.config import ConfigError
from faceml.storage import StorageFolder, place_below, split_place
from faceml.tables import list_images


class FoundImage(NamedTuple):
    """An image.

    Attributes:
        place: Its path or URI.
        name: Unique among all that were found: its path from the folder that named it, or its file name.
    """

    place: str
    name: str


def find_images(places: Sequence[str], extensions: Sequence[str]) -> list[FoundImage]:
    """Return the images that are named, and those of named folders, in the order of the names.

    Args:
        places: Of images and folders, absolute paths or URIs.
        extensions: Endings of file names that count as images in a folder; a file that is named counts.

    Raises:
        ConfigError: Nothing is named, a place is not there, or a folder has no images.
    """
    if not places:
        raise ConfigError("data.paths: names no images. Name images or folders: faceml predict PATH…")
    found: list[FoundImage] = []
    taken = Counter[str]()
    for place in places:
        for image, name in _images_of(place, extensions):
            taken[name] += 1
            path = PurePosixPath(name)
            is_first = taken[name] == 1
            unique = name if is_first else str(path.with_stem(f"{path.stem}_{taken[name]}"))
            found.append(FoundImage(image, unique))
    return found


def _images_of(place: str, extensions: Sequence[str]) -> list[tuple[str, str]]:
    folder = StorageFolder(place)
    if folder.exists():
        names = list_images(folder, extensions)["image_id"].to_pylist()
        if not names:
            raise ConfigError(f"{place}: no images below it. data.extensions are {', '.join(extensions)}.")
        return [(place_below(place, *name.split("/")), name) for name in names]
    parent, name = split_place(place)
    if not StorageFolder(parent).has(name):
        raise ConfigError(f"{place}: no such image or folder.")
    return [(place, name)]
