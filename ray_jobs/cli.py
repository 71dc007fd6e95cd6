"""The command line: `faceml COMMAND --config FILE --set dotted.key=value`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli_models import doctor, evaluate, export, forget, predict
from ray_jobs.cli_options import ConfigFile, Overrides, show_results, stdout_console
from ray_jobs.cluster import exit_at_errors, set_up_log

app = typer.Typer(
    help="From a folder of faces to landmarks, a multitask backbone and face recognition.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
TRAIN_CONFIG = Path("configs/multitask_affectnet.yaml")


def main(*command: str) -> None:
    """Run the command line; `command` comes before the arguments that the process was given."""
    set_up_log()
    with exit_at_errors():
        app(args=[*command, *sys.argv[1:]], prog_name="faceml")


@app.command()
def synth(config: ConfigFile = Path("configs/synth.yaml"), overrides: Overrides = None) -> None:
    """Draw faces of people who do not exist, with exact landmarks.

    Example: faceml synth --set output.root=faces --set splits.train=880 --set splits.val=220
        --set image_size_px=128
    """
    from faceml.config import SynthConfig, load_config

    settings = load_config(SynthConfig, config, overrides or [])
    set_up_log(settings.logging.format, "synth", settings.output.root)
    from ray_jobs.local import synthesis as job

    job.run(settings)
    show_results(settings.output.root)


@app.command()
def extract(
    config: ConfigFile = Path("configs/extract_landmarks.yaml"),
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much there is to do; do nothing.")
    ] = False,
) -> None:
    """Find the landmarks of every face in a folder.

    The same command again goes on where it was interrupted and adds the images that are new.

    Example: faceml extract --set data.root=faces/train --set output.table=tables/train
    """
    from faceml.config import ExtractConfig, load_config

    settings = load_config(ExtractConfig, config, overrides or [])
    set_up_log(settings.logging.format, "extract", settings.run_folder)
    if dry_run:
        from ray_jobs.tables import dry_run as say_what_there_is_to_do

        say_what_there_is_to_do(settings, stdout_console())
        return
    from ray_jobs.tables import extraction as job

    job.show(*job.run(settings), settings, stdout_console())
    show_results(settings.run_folder)


@app.command("export-json")
def export_json(
    table: Annotated[str, typer.Option(metavar="PLACE", help="Landmark table, a path or URI.")],
    output: Annotated[str, typer.Option(metavar="PLACE", help="JSON file to write, a path or URI.")],
    num_landmarks: Annotated[int, typer.Option(help="5 or 10.")] = 5,
    images: Annotated[str | None, typer.Option(help="Folder to put before each image's path.")] = None,
) -> None:
    """Write landmarks as plain JSON: to each image path its list of points.

    Example: faceml export-json --table tables/affectnet/train --output landmarks.json
    """
    from faceml.tables import LANDMARK_SETS, export_json as write_json

    if num_landmarks not in LANDMARK_SETS:
        raise ConfigError(f"--num-landmarks {num_landmarks}: must be 5 or 10.")
    count = write_json(table, output, num_landmarks, images)
    print(f"{count} images with landmarks")  # noqa: T201
    show_results(output)


@app.command()
def train(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="YAML file of the job.", show_default=str(TRAIN_CONFIG)
        ),
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN_FOLDER", help="Go on with the interrupted run in this folder."),
    ] = None,
) -> None:
    """Train one backbone on expressions and landmarks.

    The same command again goes on where it was interrupted; so does --resume with nothing but the run folder.

    Example: faceml train --set model.backbone=resnet18 --set weighting.kind=fixed
    """
    from faceml.config import TrainConfig, load_config
    from ray_jobs.training import load_interrupted_training

    if resume and config:
        raise ConfigError(f"--resume {resume}: goes on with the configuration in there. Leave out --config.")
    settings = (
        load_interrupted_training(resume, overrides or [])
        if resume
        else load_config(TrainConfig, config or TRAIN_CONFIG, overrides or [])
    )
    set_up_log(settings.logging.format, "train", settings.run.folder)
    from ray_jobs.training import multitask as job

    job.run(settings)
    job.show(settings, stdout_console())
    show_results(settings.run.folder)


@app.command()
def tune(
    config: ConfigFile = Path("configs/tune_multitask.yaml"),
    overrides: Overrides = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train with the best settings at once, from three seeds.")
    ] = False,
) -> None:
    """Search learning rate, backbone and loss weighting.

    The same command again goes on where it was interrupted.

    Example: faceml tune --config configs/tune_multitask.yaml --set run.folder=runs/search
    """
    from faceml.config import RetrainConfig, TuneConfig, load_config

    settings = load_config(TuneConfig, config, overrides or [])
    set_up_log(settings.train.logging.format, "tune", settings.run.folder)
    if retrain and settings.retrain is None:
        settings = settings.model_copy(update={"retrain": RetrainConfig()})
    from ray_jobs.search import tuning as job

    job.show(job.run(settings), settings, stdout_console())
    show_results(settings.run.folder)


@app.command()
def transfer(config: ConfigFile = Path("configs/arcface_casia.yaml"), overrides: Overrides = None) -> None:
    """Train face recognition, from a pretrained backbone or from scratch; with arms, compare such trainings.

    The same command again goes on where it was interrupted.

    Example: faceml transfer --config configs/arcface_casia.yaml --set model.backbone=resnet50
        --set model.weights=runs/affectnet/best_model.pt --set run.folder=runs/arcface

    Example: faceml transfer --config configs/transfer_study.yaml --set recognition.model.backbone=resnet50
        --set arms.pk_multitask.model.weights=runs/affectnet/best_model.pt
        --set arms.naive_multitask.model.weights=runs/affectnet/best_model.pt --set run.folder=runs/study
    """
    from faceml.config import RecognitionConfig, StudyConfig, load_config, read_mapping

    if "arms" in read_mapping(config):
        comparison = load_config(StudyConfig, config, overrides or [])
        set_up_log(comparison.recognition.logging.format, "transfer", comparison.run.folder)
        from ray_jobs.search import study

        study.show(*study.run(comparison), comparison, stdout_console())
        show_results(comparison.run.folder)
        return
    settings = load_config(RecognitionConfig, config, overrides or [])
    set_up_log(settings.logging.format, "transfer", settings.run.folder)
    from ray_jobs.training import recognition as job

    job.run(settings)
    job.show(settings, stdout_console())
    show_results(settings.run.folder)


@app.command()
def demo(config: ConfigFile = Path("configs/demo.yaml"), overrides: Overrides = None) -> None:
    """Go the whole way on synthetic faces: draw, extract, train, search, report.

    Example: faceml demo --set run.folder=runs/demo2
    """
    from faceml.config import DemoConfig, load_config

    settings = load_config(DemoConfig, config, overrides or [])
    set_up_log(settings.logging.format, "demo", settings.run.folder)
    from ray_jobs.local import demo as job

    job.run(settings, stdout_console())
    show_results(settings.run.folder / "report.html")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB", help="extract, train, tune, transfer, evaluate, predict, export, synth"
        ),
    ],
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML file of the job.")],
    overrides: Overrides = None,
    address: Annotated[
        str, typer.Option(metavar="URL", help="Of the cluster's dashboard.", envvar="RAY_API_SERVER_ADDRESS")
    ] = "http://127.0.0.1:8265",
    working_dir: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Uploaded without what .gitignore and .rayignore name.")
    ] = Path(),
    runtime_env: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML of what Ray prepares, such as pip packages.")
    ] = None,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Also to a cluster that takes jobs from anybody.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the job's name; do not wait.")] = False,
) -> None:
    """Run a job on a Ray cluster, and follow its log; what else the job's command takes goes along.

    Example: faceml submit extract --config configs/extract_landmarks.yaml --set storage.shared=true
        --set data.root=$PWD/data/affectnet/train --set output.table=$PWD/tables/affectnet/train
    """
    os.environ.setdefault("RAY_AUTH_MODE", "disabled" if without_token else "token")  # before Ray reads it
    from ray_jobs.submission import Submission, run as submit_job

    submission = Submission(
        job,
        address,
        config,
        overrides or [],
        context.args,
        working_dir,
        runtime_env,
        needs_token=not without_token,
        follow=not detach,
    )
    raise typer.Exit(submit_job(submission))


app.command()(evaluate)
app.command()(predict)
app.command()(export)
app.command()(doctor)
app.command()(forget)
