"""Configuration of the evaluation of a trained model."""

from typing import Annotated

from pydantic import Field

from faceml.config.base import Config, CountOrZero, InputStorageFile, Seed, StorageUri
from faceml.config.sections import LoggingConfig
from faceml.config.train import SplitConfig


class EvaluateRunConfig(Config):
    """Where results go."""

    folder: StorageUri
    """A path or URI."""


class EvaluationReportConfig(Config):
    """What the report shows beside the figures."""

    mistakes: CountOrZero = 24
    """Pictures of images that are named wrong, the surest first."""
    embeddings: CountOrZero = 1000
    """Images on the map of embeddings, drawn from the split; 0 draws none."""


class EvaluateConfig(Config):
    """`faceml evaluate`: how good a model is on a split."""

    model: InputStorageFile
    """A `best_model.pt` of `faceml train`, a path or URI; it brings its preprocessing and its landmarks."""
    data: SplitConfig
    batch_size: Annotated[int, Field(strict=True, ge=1)] = 64
    loader_processes: CountOrZero = 0
    """Processes that decode; 0 decodes in between."""
    use_gpu: bool = False
    compare_with: tuple[StorageUri, ...] = ()
    """Run folders of other evaluations of the same images, paths or URIs."""
    report: EvaluationReportConfig = EvaluationReportConfig()
    seed: Seed = 0
    """Of the map of embeddings."""
    logging: LoggingConfig = LoggingConfig()
    run: EvaluateRunConfig
