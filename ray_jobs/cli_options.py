"""What the commands of the command line have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a dotted key of the YAML file; repeatable."),
]


def stdout_console() -> "Console":
    """Return stdout as wide as the terminal; in a file or a job's log, wide enough for every table."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=120)


def show_results(place: str | Path) -> None:
    """Say where the results are."""
    print(f"Results: {place}")  # noqa: T201 - the last line of stdout is for scripts
