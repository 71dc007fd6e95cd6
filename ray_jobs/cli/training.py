"""Commands that train models."""

from pathlib import Path
from typing import Annotated

import typer

from faceml.config import ConfigError
from ray_jobs.cli.running import Overrides, config_option, load_job, run_job
from ray_jobs.jobs import JOBS


def train(
    config: Annotated[Path | None, config_option("train")] = None,
    overrides: Overrides = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN_FOLDER", help="Continue the run in this folder."),
    ] = None,
) -> None:
    """Train one backbone on several tasks, expressions and landmarks by default.

    The same command again continues an interrupted training; so does --resume with only the run folder. With
    more training.epochs, both go on with a finished one.

    Example: faceml train --set model.backbone=resnet18 --set weighting.kind=fixed
    """
    if not resume:
        run_job(*load_job("train", config, overrides))
        return
    from ray_jobs.training import load_interrupted_training

    if config:
        raise ConfigError(f"--resume {resume}: continues with the configuration in there. Omit --config.")
    run_job(JOBS["train"], load_interrupted_training(resume, overrides or []))


def tune(
    config: Annotated[Path | None, config_option("tune")] = None,
    overrides: Overrides = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Then train with the best settings, with three new seeds.")
    ] = False,
) -> None:
    """Search learning rate, backbone and loss weighting.

    The same command again continues an interrupted search; with a larger num_trials or more values of
    search.seed, it goes on with a finished one.

    Example: faceml tune --config configs/tune_multitask.yaml --set run.folder=runs/search
    """
    from faceml.config import RetrainConfig

    job, settings = load_job("tune", config, overrides)
    if retrain and settings.retrain is None:
        settings = settings.model_copy(update={"retrain": RetrainConfig()})
    run_job(job, settings)


def transfer(
    config: Annotated[Path | None, config_option("transfer")] = None, overrides: Overrides = None
) -> None:
    """Train face recognition from a pretrained backbone or from scratch; with arms, compare such trainings.

    The same command again continues an interrupted training or study; with more epochs or seeds, it goes on
    with a finished one.

    Example: faceml transfer --config data/casia/transfer.yaml --set model.backbone=resnet50
        --set model.weights=runs/affectnet/best_model.pt --set run.folder=runs/arcface

    Example: faceml transfer --config configs/transfer_study.yaml --set recognition.model.backbone=resnet50
        --set 'recognition.data.train={table: data/casia/table, images: {train: data/casia/images/train},
        where: {source: train}}'
        --set 'recognition.data.val={table: data/casia/table, images: {val: data/casia/images/val},
        where: {source: val}}'
        --set arms.pk_multitask.model.weights=runs/affectnet/best_model.pt
        --set arms.naive_multitask.model.weights=runs/affectnet/best_model.pt --set run.folder=runs/study
    """
    run_job(*load_job("transfer", config, overrides))


def demo(config: Annotated[Path | None, config_option("demo")] = None, overrides: Overrides = None) -> None:
    """Run all steps on synthetic faces: draw, extract, train, search, report.

    Example: faceml demo --set run.folder=runs/demo2
    """
    run_job(*load_job("demo", config, overrides))
