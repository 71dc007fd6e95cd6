"""Input images given as files and folders."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from faceml.config import ConfigError
from faceml.storage import StorageFolder, StorageRoots, place_below, split_place
from faceml.tables import list_images

JPEG_EXTENSIONS = (".jpg", ".jpeg")


class InputImage(NamedTuple):
    """An image to predict.

    Attributes:
        place: Path or URI of the image.
        drawn: Name of its drawn copy, a JPEG: the path below the given folder, or the file name of a given
            image, with a number where several images have the same.
    """

    place: str
    drawn: str


def find_images(
    places: Sequence[str], extensions: Sequence[str], follow_links: bool = False
) -> list[InputImage]:
    """Return the given images and those below the given folders, in order.

    Args:
        places: Images and folders, absolute paths or URIs.
        extensions: Extensions of images in a folder; a given file may have any extension.
        follow_links: Follow symbolic links to folders.

    Raises:
        ConfigError: Nothing is given, a place does not exist, or a folder has no images.
    """
    if not places:
        raise ConfigError("data.paths: no images are given. Give images or folders: faceml predict PATH…")
    taken: dict[str, int] = {}
    return [
        InputImage(image, _drawn_name(name, taken))
        for place in places
        for image, name in _list_images(place, extensions, follow_links)
    ]


def _drawn_name(name: str, taken: dict[str, int]) -> str:
    """Return an unused name for the drawn copy of an image.

    Args:
        name: Name of the image.
        taken: Used names, each with the last number that was given to it; updated.
    """
    path = PurePosixPath(name)
    if path.suffix.lower() not in JPEG_EXTENSIONS:
        path = path.with_name(f"{path.name}.jpg")
    drawn, number = str(path), taken.get(str(path), 1)
    while drawn in taken:
        number += 1
        drawn = str(path.with_stem(f"{path.stem}_{number}"))
    taken[str(path)] = number
    taken.setdefault(drawn, 1)
    return drawn


def _list_images(place: str, extensions: Sequence[str], follow_links: bool) -> list[tuple[str, str]]:
    if place.encode(errors="replace").decode() != place:
        raise ConfigError(f"{place!a}: the name is not UTF-8. Rename the file.")
    if StorageFolder(place).exists():
        names = list_images(StorageRoots(place), extensions, follow_links)["image_id"].to_pylist()
        if not names:
            raise ConfigError(f"{place}: no images below it. data.extensions are {', '.join(extensions)}.")
        return [(place_below(place, *name.split("/")), name) for name in names]
    parent, name = split_place(place)
    if not StorageFolder(parent).has(name):
        raise ConfigError(f"{place}: no such image or folder.")
    return [(place, name)]
