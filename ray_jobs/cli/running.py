"""Execution of a job from the command line: configuration, log and results."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_jobs.cluster import set_up_log
from ray_jobs.jobs import JOBS, Job, find_job

if TYPE_CHECKING:
    from rich.console import Console

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a dotted key of the YAML file; repeatable."),
]


def config_option(command: str) -> Any:
    """Return the option of a job's configuration file."""
    return typer.Option(
        "--config",
        metavar="FILE",
        help="YAML file of the job. If the default file does not exist, the one in the package is used.",
        show_default=f"configs/{JOBS[command].file}",
    )


def load_job(
    command: str, file: Path | None, overrides: Sequence[str] | None, options: Mapping[str, Any] | None = None
) -> tuple[Job, Any]:
    """Return a job with its configuration.

    Args:
        command: Command of the job.
        file: YAML file of the configuration; None: the default of the command.
        overrides: Overrides, `dotted.key=value` each.
        options: Values by dotted key, from the command's options.

    Raises:
        ConfigError: The configuration is wrong.
    """
    from faceml.config import find_config, load_config, read_mapping  # late: --help needs no pydantic

    file = file or find_config(JOBS[command].file)
    job = find_job(command, read_mapping(file))
    return job, load_config(job.model, file, overrides or [], options)


def run_job(job: Job, settings: Any) -> None:
    """Run a job, then print its results and, last, their location."""
    start_log(job, settings)
    import_module(job.module).run_and_show(settings, stdout_console())
    if place := (job.results or job.folder)(settings):
        print_place(place)


def start_log(job: Job, settings: Any) -> None:
    """Set up logging for a job according to its configuration."""
    set_up_log(job.log_format(settings), job.command, job.folder(settings))


def stdout_console() -> "Console":
    """Return a console for stdout, as wide as the terminal; 120 columns wide in a file or log."""
    from faceml.page import plain_console

    console = plain_console()
    return console if console.is_terminal else plain_console(width=120)


def print_place(place: str | Path) -> None:
    """Print the location of the results."""
    print(f"Results: {place}")  # noqa: T201 - the last line of stdout is for scripts
