"""Input images given as files and folders."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from faceml.config import ConfigError
from faceml.storage import StorageFolder, place_below, split_place
from faceml.tables import list_images


class InputImage(NamedTuple):
    """An image to predict.

    Attributes:
        place: Path or URI of the image.
        name: Unique name: the path below the given folder, or the file name of a given image.
    """

    place: str
    name: str


def find_images(places: Sequence[str], extensions: Sequence[str]) -> list[InputImage]:
    """Return the given images and those below the given folders, in order.

    Args:
        places: Images and folders, absolute paths or URIs.
        extensions: Extensions of images in a folder; a given file may have any extension.

    Raises:
        ConfigError: Nothing is given, a place does not exist, or a folder has no images.
    """
    if not places:
        raise ConfigError("data.paths: no images are given. Give images or folders: faceml predict PATH…")
    found: list[InputImage] = []
    taken = Counter[str]()
    for place in places:
        for image, name in _list_images(place, extensions):
            taken[name] += 1
            path = PurePosixPath(name)
            is_first = taken[name] == 1
            unique = name if is_first else str(path.with_stem(f"{path.stem}_{taken[name]}"))
            found.append(InputImage(image, unique))
    return found


def _list_images(place: str, extensions: Sequence[str]) -> list[tuple[str, str]]:
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
