"""Running a job from the command line: configuration, log, work, results."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_jobs.cluster import set_up_log
from ray_jobs.jobs import Job, find_job

if TYPE_CHECKING:
    from rich.console import Console

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a dotted key of the YAML file; repeatable."),
]


def load_job(
    command: str, file: Path, overrides: Sequence[str] | None, options: Mapping[str, Any] | None = None
) -> tuple[Job, Any]:
    """Return a job with its configuration.

    Args:
        command: Of the job.
        file: YAML file of the configuration.
        overrides: `dotted.key=value` each.
        options: Values of dotted keys that options of the command set.

    Raises:
        ConfigError: The configuration is wrong.
    """
    from faceml.config import load_config, read_mapping  # late: pydantic is not needed for --help

    job = find_job(command, read_mapping(file))
    return job, load_config(job.model, file, overrides or [], options)


def run_job(job: Job, settings: Any) -> None:
    """Run a job, print its results, and last the place where they are."""
    start_log(job, settings)
    import_module(job.module).run_and_show(settings, stdout_console())
    if place := (job.results or job.folder)(settings):
        print_place(place)


def start_log(job: Job, settings: Any) -> None:
    """Log as the configuration of a job says."""
    set_up_log(job.log_format(settings), job.command, job.folder(settings))


def stdout_console() -> "Console":
    """Return a console for stdout as wide as the terminal, or 120 columns wide in a file or a log."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=120)


def print_place(place: str | Path) -> None:
    """Print where the results are."""
    print(f"Results: {place}")  # noqa: T201 - the last line of stdout is for scripts
