"""Text files with a line for each annotated face."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from faceml.annotations.annotated_faces import AnnotatedFace
from faceml.annotations.markup import Markup
from faceml.config import ConfigError


@dataclass(frozen=True)
class ListFormat:
    """Format of a list.

    Attributes:
        markup: Mark-up of its faces.
        columns: What a line of each number of values has, separated by blanks.
        split: Returns the path of the image and the coordinates, x and y of each point in turn.
    """

    markup: Markup
    columns: Mapping[int, str]
    split: Callable[[Sequence[str]], tuple[str, Sequence[str]]]


def find_list_format(content: bytes, formats: Sequence[ListFormat]) -> ListFormat | None:
    """Return the format that the first line of a file has, None for a file of another kind."""
    first = next((line.split() for line in _lines(content)), [])
    return next((each for each in formats if len(first) in each.columns), None)


def read_list(content: bytes, file: str, list_format: ListFormat) -> Iterator[AnnotatedFace]:
    """Read a list; blank lines are skipped.

    Args:
        content: Content of the file.
        file: Its name, for errors.
        list_format: Its format.

    Raises:
        ConfigError: A line has another number of values; names the line.
    """
    for number, line in enumerate(_lines(content, blank=True), start=1):
        values = line.split()
        if values and len(values) not in list_format.columns:
            known = " or ".join(f"{count} ({what})" for count, what in list_format.columns.items())
            raise ConfigError(
                f"annotations: {file}, line {number}: has {len(values)} values; lines of "
                f"{list_format.markup.name} have {known}. Correct the line or remove it."
            )
        if values:
            yield AnnotatedFace(f"{file}, line {number}", *list_format.split(values))


def _lines(content: bytes, *, blank: bool = False) -> list[str]:
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    return [line for line in lines if blank or line.strip()]
