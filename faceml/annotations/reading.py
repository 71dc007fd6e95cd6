"""Reading of annotations in any of the known formats, and the images that they belong to."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from faceml.annotations.annotated_faces import AnnotatedFaces
from faceml.annotations.list_files import find_list_format, read_list
from faceml.annotations.mtfl import MTFL_LIST
from faceml.annotations.pts_files import IBUG_68, SUFFIX, read_pts_files
from faceml.annotations.wflw import WFLW_LIST
from faceml.config import ConfigError
from faceml.page import first_names
from faceml.storage import StorageFolder, split_place

LIST_FORMATS = (WFLW_LIST, MTFL_LIST)
LIST_SUFFIX = ".txt"
KNOWN = f"{IBUG_68.name} ({SUFFIX} files) or of " + " or ".join(
    f"{each.markup.name} (a list)" for each in LIST_FORMATS
)


def annotations_folder(place: str) -> str:
    """Return the folder of annotations, given the folder or a file in it, a path or URI."""
    return place if StorageFolder(place).exists() else split_place(place)[0]


def read_annotations(place: str) -> AnnotatedFaces:
    """Read annotated faces.

    Args:
        place: Folder with `.pts` files in it or in its folders; a list of faces, or a folder with one list;
            a path or URI.

    Raises:
        ConfigError: There are no annotations of a known format, several lists, or a malformed file.
    """
    folder = StorageFolder(annotations_folder(place))
    is_folder = folder.uri == StorageFolder(place).uri
    names = sorted(file.path for file in folder.walk()) if is_folder else [split_place(place)[1]]
    pts_files = [name for name in names if name.lower().endswith(SUFFIX)]
    if pts_files:
        return AnnotatedFaces.of(IBUG_68, read_pts_files(folder, pts_files))
    texts = [name for name in names if name.lower().endswith(LIST_SUFFIX) or not is_folder]
    contents = {name: folder.read(name, follow_links=True) for name in texts}
    lists = {
        name: (content, list_format)
        for name, content in contents.items()
        if isinstance(content, bytes) and (list_format := find_list_format(content, LIST_FORMATS))
    }
    if len(lists) > 1:
        raise ConfigError(
            f"annotations: {place}: has several lists: {first_names([*lists])}. Name one of them."
        )
    for name, (content, list_format) in lists.items():
        return AnnotatedFaces.of(list_format.markup, read_list(content, name, list_format))
    raise ConfigError(
        f"annotations: {place}: has no annotations of {KNOWN}. Name their folder or their list."
    )


def find_annotated_images(
    faces: AnnotatedFaces, image_ids: Sequence[str], source: str
) -> tuple[AnnotatedFaces, list[str]]:
    """Find the images of annotated faces.

    Args:
        faces: Annotated faces, which may have the paths of their images without the extension.
        image_ids: Paths of images.
        source: Table or folder of the images, for errors.

    Returns:
        The faces whose image is there, with its path; and the annotated images that are not there.

    Raises:
        ConfigError: None of the images is there, or two images have the name of one.
    """
    by_stem = dict[str, list[str]]()
    for image_id in image_ids:
        by_stem.setdefault(str(PurePosixPath(image_id).with_suffix("")), []).append(image_id)
    known, paths = set(image_ids), dict[str, str]()
    for name in dict.fromkeys(faces.images):
        same = [name] if name in known else by_stem.get(name, [])
        if len(same) > 1:
            raise ConfigError(
                f"annotations: {name} may be {' or '.join(same)} of {source}. Remove one of them."
            )
        if same:
            paths[name] = same[0]
    if not paths:
        has = f", which has {image_ids[0]}" if image_ids else ""
        raise ConfigError(
            f"annotations: none of the {len(set(faces.images)):,} annotated images, such as "
            f"{faces.images[0]}, is in {source}{has}. Use the folder that the annotated paths start in."
        )
    there = faces.take(np.array([name in paths for name in faces.images]))
    missing = [name for name in dict.fromkeys(faces.images) if name not in paths]
    return replace(there, images=tuple(paths[name] for name in there.images)), missing
