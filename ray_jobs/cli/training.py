"""Commands that train models."""

from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli.running import ConfigFile, Overrides, load_job, run_job
from ray_jobs.jobs import JOBS

TRAIN_CONFIG = Path("configs/multitask_affectnet.yaml")


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
        typer.Option("--resume", metavar="RUN_FOLDER", help="Continue the interrupted run in this folder."),
    ] = None,
) -> None:
    """Train one backbone on expressions and landmarks.

    The same command again continues an interrupted training; so does --resume with only the run folder.

    Example: faceml train --set model.backbone=resnet18 --set weighting.kind=fixed
    """
    if not resume:
        run_job(*load_job("train", config or TRAIN_CONFIG, overrides))
        return
    from ray_jobs.training import load_interrupted_training

    if config:
        raise ConfigError(f"--resume {resume}: continues with the configuration in there. Omit --config.")
    run_job(JOBS["train"], load_interrupted_training(resume, overrides or []))


def tune(
    config: ConfigFile = Path("configs/tune_multitask.yaml"),
    overrides: Overrides = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Then train with the best settings, with three new seeds.")
    ] = False,
) -> None:
    """Search learning rate, backbone and loss weighting.

    The same command again continues an interrupted search.

    Example: faceml tune --config configs/tune_multitask.yaml --set run.folder=runs/search
    """
    from faceml.config import RetrainConfig

    job, settings = load_job("tune", config, overrides)
    if retrain and settings.retrain is None:
        settings = settings.model_copy(update={"retrain": RetrainConfig()})
    run_job(job, settings)


def transfer(config: ConfigFile = Path("configs/arcface_casia.yaml"), overrides: Overrides = None) -> None:
    """Train face recognition from a pretrained backbone or from scratch; with arms, compare such trainings.

    The same command again continues an interrupted training or study.

    Example: faceml transfer --config configs/arcface_casia.yaml --set model.backbone=resnet50
        --set model.weights=runs/affectnet/best_model.pt --set run.folder=runs/arcface

    Example: faceml transfer --config configs/transfer_study.yaml --set recognition.model.backbone=resnet50
        --set arms.pk_multitask.model.weights=runs/affectnet/best_model.pt
        --set arms.naive_multitask.model.weights=runs/affectnet/best_model.pt --set run.folder=runs/study
    """
    run_job(*load_job("transfer", config, overrides))


def demo(config: ConfigFile = Path("configs/demo.yaml"), overrides: Overrides = None) -> None:
    """Run all steps on synthetic faces: draw, extract, train, search, report.

    Example: faceml demo --set run.folder=runs/demo2
    """
    run_job(*load_job("demo", config, overrides))
