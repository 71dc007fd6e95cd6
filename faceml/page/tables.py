"""Tables of a report, and the same tables for the terminal."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

NUMBER = re.compile(r"–|[<>]?\s?[+\-−]?\d[\d.,/–%°\s]*(e[+-]?\d+|of [\d,]+)?(…[+\-−]?\d[\d.,]*(e[+-]?\d+)?)?")
"""A number, a missing one, a range or a share; not a file name that begins with a digit."""


@dataclass(frozen=True)
class DataTable:
    """A table within a report.

    Attributes:
        title: One line above it.
        header: Names of the columns.
        rows: Cells as they are shown.
        highlighted: Numbers of the rows that stand out, from 0.
        dimmed: Numbers of the rows that stand back.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    highlighted: frozenset[int] = frozenset()
    dimmed: frozenset[int] = frozenset()

    def is_numeric(self, column: int) -> bool:
        """Say whether a column holds numbers, which stand at its right edge."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)


def terminal_table(data: DataTable) -> Table:
    """Return a table of a report for the terminal."""
    table = Table(title=data.title, title_justify="left", min_width=len(data.title))
    for column, name in enumerate(data.header):
        table.add_column(name, justify="right" if data.is_numeric(column) else "left", overflow="fold")
    for row in data.rows:
        table.add_row(*row)
    return table
