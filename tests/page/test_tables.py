"""Names from data in tables and on consoles."""

import io

import pytest
from rich.console import Console

from faceml.page.tables import DataTable, plain_console, printable

NAMES = ["[bold]x", "[/red]", "[link=file]y[/link]", ":smile:", "[", "a]", "$x_1$"]


@pytest.mark.parametrize("console", [Console, plain_console])
@pytest.mark.parametrize("name", NAMES)
def test_data_table__shows_names_as_they_are(name: str, console: type[Console]) -> None:
    page = io.StringIO()
    console(file=page, width=120).print(DataTable(f"of {name}", [f"in {name}"], [[name]]))
    assert [line.strip(" ┃│") for line in page.getvalue().splitlines()][::2] == [
        f"of {name}",
        f"in {name}",
        name,
    ]


@pytest.mark.parametrize("name", NAMES)
def test_plain_console__prints_names_as_they_are(name: str) -> None:
    page = io.StringIO()
    plain_console(file=page).print(f"{name}: 3 images")
    assert page.getvalue() == f"{name}: 3 images\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("95\N{NO-BREAK SPACE}% of Zoë 山", "95\N{NO-BREAK SPACE}% of Zoë 山"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("half \udc80", r"half \udc80"),
        ("two\u2028lines", r"two\u2028lines"),
    ],
)
def test_printable__escapes_what_would_break_a_line_or_command_a_terminal(text: str, expected: str) -> None:
    assert printable(text) == expected
