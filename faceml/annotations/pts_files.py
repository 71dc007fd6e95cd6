"""Files of 300-W: a `.pts` file beside each image."""

import re
from collections.abc import Iterator, Sequence

from faceml.annotations.annotated_faces import AnnotatedFace
from faceml.annotations.markup import Markup, PixelOrigin
from faceml.config import ConfigError
from faceml.storage import StorageFolder

IBUG_68 = Markup(
    name="300-W",
    num_points=68,
    origin=PixelOrigin(1, "the files were written by MATLAB"),
    landmarks={
        5: ((36, 39), (42, 45), (30,), (48,), (54,)),
        10: ((36,), (39,), (42,), (45,), (30,), (33,), (48,), (54,), (51,), (57,)),
    },
    eyes=(36, 45),
    normalizer="distance of the outer eye corners",
)
"""Sagonas et al. 2016, "300 Faces In-The-Wild Challenge", figure 1, numbered from 0."""

SUFFIX = ".pts"
BODY = re.compile(r"\{(.*)\}", re.DOTALL)


def read_pts_files(folder: StorageFolder, files: Sequence[str]) -> Iterator[AnnotatedFace]:
    """Read `.pts` files, each of the image with its name.

    A file has a header and the points in braces, or only the points; a line `x y` for each point.

    Args:
        folder: Folder of the files.
        files: Paths below the folder.

    Raises:
        ConfigError: A file cannot be read, or has another number of points.
    """
    for file in files:
        content = folder.read(file, follow_links=True)
        if not isinstance(content, bytes):
            raise ConfigError(f"annotations: {folder.uri}/{file}: cannot be read. Check your permissions.")
        text = content.decode("utf-8-sig", errors="replace")
        body = BODY.search(text)
        lines = [line.split() for line in (body[1] if body else text).splitlines() if line.strip()]
        if len(lines) != IBUG_68.num_points or any(len(words) != 2 for words in lines):
            raise ConfigError(
                f"annotations: {folder.uri}/{file}: has {len(lines)} lines of points; files of "
                f"{IBUG_68.name} have {IBUG_68.num_points} lines 'x y'. Correct it or remove it."
            )
        yield AnnotatedFace(file, file[: -len(SUFFIX)], [word for words in lines for word in words])
