"""Configuration of the evaluation of face recognition."""

from typing import Annotated

from pydantic import AfterValidator, Field

from faceml.config.base import (
    Config,
    Count,
    CountOrZero,
    FrozenDict,
    RunOrModel,
)
from faceml.config.evaluate import EvaluateRunConfig
from faceml.config.recognition import PairsConfig
from faceml.config.sections.runtime import LoggingConfig
from faceml.config.sections.split import SplitConfig
from faceml.config.train import LeakageConfig

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class VerificationSetConfig(SplitConfig):
    """People outside the training split, and the pairs of their images to verify."""

    pairs: PairsConfig = PairsConfig()


class EvaluateRecognitionReportConfig(Config):
    """Examples in the report."""

    pairs: CountOrZero = 12
    """Number of pairs shown: of the most similar of two people, and of the least similar of one person."""


class EvaluateRecognitionConfig(Config):
    """`faceml evaluate` with `sets`: verification by one model or several on the same pairs."""

    model: RunOrModel
    """Run folder of `faceml transfer`, or its `best_model.pt`, a path or URI; or those of `faceml train`,
    whose embedding is evaluated as a baseline."""
    compare: Annotated[dict[ModelName, RunOrModel], AfterValidator(FrozenDict)] = {}
    """Further models by their names, such as `{scratch: runs/scratch}`, compared on the same pairs."""
    sets: Annotated[dict[SetName, VerificationSetConfig], Field(min_length=1), AfterValidator(FrozenDict)]
    """Sets of people by their names, such as `lfw`."""
    flip_test: bool = True
    """Sum the embeddings of each image and of its mirror image, as `faceml transfer` does."""
    leakage: LeakageConfig = LeakageConfig()
    """Search for images and people of the sets in what the models, and their starting weights, were trained
    on."""
    batch_size: Count = 64
    loader_processes: CountOrZero = 0
    """Number of processes that decode images; 0 decodes in the main process."""
    use_gpu: bool = False
    report: EvaluateRecognitionReportConfig = EvaluateRecognitionReportConfig()
    logging: LoggingConfig = LoggingConfig()
    run: EvaluateRunConfig
