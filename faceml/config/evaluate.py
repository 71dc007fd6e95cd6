"""Configuration of the evaluation of a trained model."""

from typing import Annotated

from pydantic import Field

from faceml.config.base import Config, CountOrZero, InputStorageFile, StorageUri
from faceml.config.log import LoggingConfig
from faceml.config.train import SplitConfig


class EvaluateRunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or URI."""


class EvaluateConfig(Config):
    """`faceml evaluate`: how good a model is on a split."""

    model: InputStorageFile
    """A `best_model.pt` of `faceml train`, a path or URI; it brings its preprocessing and its landmarks."""
    data: SplitConfig
    batch_size: Annotated[int, Field(strict=True, ge=1)] = 64
    loader_processes: CountOrZero = 0
    """Processes that decode; 0 decodes in between."""
    use_gpu: bool = False
    logging: LoggingConfig = LoggingConfig()
    run: EvaluateRunConfig
