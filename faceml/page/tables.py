"""Tables of reports and of the terminal, and the formatting of their numbers."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PERCENT = "\N{NO-BREAK SPACE}%"
INTERVAL = f"95{PERCENT} interval"
NUMBER = re.compile(r"–|[<>]?\s?[+\-−]?\d[\d.,/–%°\s]*(e[+-]?\d+|of [\d,]+)?(…[+\-−]?\d[\d.,]*(e[+-]?\d+)?)?")
"""A number, a missing one, a range or a share; not a file name that begins with a digit."""

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, halves of surrogate pairs, separators of lines and paragraphs."""


def percent(share: float | None, digits: int = 1) -> str:
    """Format a share from 0 to 1 as percent; None and NaN as a dash."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}{PERCENT}"


def percent_range(limits: tuple[float, float] | None, digits: int = 1) -> str:
    """Format two shares from 0 to 1 as a range of percent; None as a dash."""
    return f"{100 * limits[0]:.{digits}f}–{percent(limits[1], digits)}" if limits else "–"


def capitalised(text: str) -> str:
    """Return a text with its first letter in upper case, the others unchanged."""
    return text[:1].upper() + text[1:]


def significant(value: float | None) -> str:
    """Format a number with three significant digits; None and NaN as a dash."""
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"


def printable(text: str) -> str:
    """Escape line breaks and control characters of a text from data, such as the name of a file."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in UNPRINTABLE else char
        for char in text
    )


def plain_console(**options: Any) -> Console:
    """Return a console that prints brackets and colons in texts from data as they are.

    Args:
        options: Arguments of `rich.console.Console`.
    """
    return Console(markup=False, emoji=False, **options)


def first_names(names: Sequence[str], most: int = 5) -> str:
    """Join the first `most` names with commas; an ellipsis stands for further ones."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


@dataclass(frozen=True)
class DataTable:
    """A table of a report, which a `rich` console prints too.

    Attributes:
        title: One line above the table.
        header: Names of the columns.
        rows: Cells as text.
        highlighted: Indices of emphasised rows, from 0.
        dimmed: Indices of de-emphasised rows.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlighted: frozenset[int] = frozenset()
    dimmed: frozenset[int] = frozenset()

    def is_numeric(self, column: int) -> bool:
        """Return whether a column holds numbers, which are aligned to the right."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)

    def __rich__(self) -> Table:
        """Return the table as `rich.console.Console.print` shows it."""
        return terminal_table(self)


def terminal_table(data: DataTable) -> Table:
    """Return a table of a report for the terminal, highlighted rows in bold and dimmed rows faint."""
    table = Table(title=_text(data.title), title_justify="left", min_width=len(data.title))
    for column, name in enumerate(data.header):
        table.add_column(_text(name), justify="right" if data.is_numeric(column) else "left", overflow="fold")
    for number, row in enumerate(data.rows):
        table.add_row(
            *map(_text, row),
            style="bold" if number in data.highlighted else "dim" if number in data.dimmed else "",
        )
    return table


def _text(cell: str) -> Text:
    return Text(printable(cell))
