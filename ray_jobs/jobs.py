"""Jobs: the configuration, the module and the results of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faceml.config

if TYPE_CHECKING:
    from faceml.config import Config


@dataclass(frozen=True)
class Job:
    """A job that a YAML file configures.

    Attributes:
        command: Its command, as in `faceml train`.
        file: Name of its configuration file in `configs/`.
        config: Name of its configuration model in `faceml.config`.
        module: Module with the function `run_and_show(config, console)`.
        folder: Returns the folder of the run from a configuration, for the log.
        results: Returns the place of the results, None for stdout; by default `folder`.
        log_format: Returns the format of the log lines from a configuration.
        can_be_submitted: True if `faceml submit` can submit it.
    """

    command: str
    file: str
    config: str
    module: str
    folder: Callable[[Any], str | Path | None] = attrgetter("run.folder")
    results: Callable[[Any], str | Path | None] | None = None
    log_format: Callable[[Any], Any] = attrgetter("logging.format")
    can_be_submitted: bool = True

    @property
    def model(self) -> "type[Config]":
        """The configuration model."""
        model: type[Config] = getattr(faceml.config, self.config)
        return model


STUDY = Job(
    "transfer",
    "transfer_study.yaml",
    "StudyConfig",
    "ray_jobs.search.study",
    log_format=attrgetter("recognition.logging.format"),
)
"""`faceml transfer` with `arms`."""

RECOGNITION_EVALUATION = Job(
    "evaluate",
    "evaluate_recognition.yaml",
    "EvaluateRecognitionConfig",
    "ray_jobs.local.recognition_evaluation",
)
"""`faceml evaluate` with `sets`."""

VARIANTS = {("transfer", "arms"): STUDY, ("evaluate", "sets"): RECOGNITION_EVALUATION}
"""Jobs of a command with other settings, by the key that only these have."""

JOBS = {
    job.command: job
    for job in (
        Job("synth", "synth.yaml", "SynthConfig", "ray_jobs.local.synthesis", attrgetter("output.root")),
        Job(
            "extract",
            "extract_landmarks.yaml",
            "ExtractConfig",
            "ray_jobs.tables.extraction",
            attrgetter("run_folder"),
        ),
        Job("train", "multitask_affectnet.yaml", "TrainConfig", "ray_jobs.training.multitask"),
        Job("evaluate", "evaluate.yaml", "EvaluateConfig", "ray_jobs.local.evaluation"),
        Job(
            "evaluate-landmarks",
            "evaluate_landmarks.yaml",
            "EvaluateLandmarksConfig",
            "ray_jobs.local.landmark_evaluation",
            attrgetter("run_folder"),
            can_be_submitted=False,
        ),
        Job("export", "export.yaml", "ExportConfig", "ray_jobs.local.export"),
        Job(
            "predict",
            "predict.yaml",
            "PredictConfig",
            "ray_jobs.local.prediction",
            lambda config: config.run_folder or config.output.file,
            lambda config: config.output.table or config.output.file,
        ),
        Job(
            "tune",
            "tune_multitask.yaml",
            "TuneConfig",
            "ray_jobs.search.tuning",
            log_format=attrgetter("train.logging.format"),
        ),
        Job("transfer", "arcface_casia.yaml", "RecognitionConfig", "ray_jobs.training.recognition"),
        Job(
            "demo",
            "demo.yaml",
            "DemoConfig",
            "ray_jobs.local.demo",
            results=lambda config: config.run.folder / "report.html",
            can_be_submitted=False,
        ),
    )
}


def find_job(command: str, raw: Mapping[str, Any]) -> Job:
    """Return the job of a command, given the plain values of its configuration."""
    found = (job for (name, key), job in VARIANTS.items() if name == command and key in raw)
    return next(found, JOBS[command])
