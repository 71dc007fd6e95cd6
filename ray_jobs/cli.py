"""The command line: `faceml COMMAND --config FILE --set dotted.key=value`."""

import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console

from faceml.config.base import ConfigError

app = typer.Typer(
    help="From a folder of faces to landmarks, a multitask backbone and face recognition.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a dotted key of the YAML file; repeatable."),
]


def main(*command: str) -> None:
    """Run the command line; `command` comes before the arguments that the process was given."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    with _MistakesOnOneLine():
        app(args=[*command, *sys.argv[1:]], prog_name="faceml")


class _MistakesOnOneLine:
    """End with exit status 2 and the plain message when the user's settings are wrong."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ConfigError):
            print(error, file=sys.stderr)  # noqa: T201 - rich would wrap the line
            sys.exit(2)


def _show_results(folder: Path) -> None:
    print(f"Results: {folder}")  # noqa: T201 - the last line of stdout is for scripts


@app.command()
def extract(config: ConfigFile = Path("configs/extract_landmarks.yaml"), overrides: Overrides = None) -> None:
    """Find the landmarks of every face in a folder.

    Example: faceml extract --set data.root=faces/train --set output.table=tables/train
    """
    from faceml.config.extract import ExtractConfig
    from faceml.config.loading import load_config
    from ray_jobs import extract as job

    settings = load_config(ExtractConfig, config, overrides or [])
    job.show(job.run(settings), settings, Console())
    _show_results(settings.run_folder)


@app.command()
def train(config: ConfigFile = Path("configs/multitask_affectnet.yaml"), overrides: Overrides = None) -> None:
    """Train one backbone on expressions and landmarks.

    Example: faceml train --set model.backbone=resnet50 --set weighting.kind=fixed
    """
    from faceml.config.loading import load_config
    from faceml.config.train import TrainConfig
    from ray_jobs import train as job

    settings = load_config(TrainConfig, config, overrides or [])
    job.run(settings)
    job.show(settings, Console())
    _show_results(settings.run.folder)


@app.command()
def tune(config: ConfigFile = Path("configs/tune_multitask.yaml"), overrides: Overrides = None) -> None:
    """Search learning rate, backbone and loss weighting.

    Example: faceml tune --set num_trials=20 --set train.training.epochs=10
    """
    from faceml.config.loading import load_config
    from faceml.config.tune import TuneConfig
    from ray_jobs import tune as job

    settings = load_config(TuneConfig, config, overrides or [])
    job.show(job.run(settings), settings, Console())
    _show_results(settings.run.folder)
