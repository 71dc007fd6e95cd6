"""Configuration of the evaluation of a trained model."""

from typing import Annotated

from pydantic import Field

from faceml.config.base import Config, CountOrZero, RunOrModel, Seed, StorageUri
from faceml.config.sections.runtime import LoggingConfig
from faceml.config.sections.split import SplitConfig


class EvaluateRunConfig(Config):
    """Location of the results."""

    folder: StorageUri
    """Folder of the results, a path or URI."""


class EvaluationReportConfig(Config):
    """Examples in the report."""

    mistakes: CountOrZero = 24
    """Number of misclassified images shown, in order of decreasing confidence."""
    embeddings: CountOrZero = 1000
    """Number of images on the map of embeddings, sampled from the split; 0 omits the map."""


class EvaluateConfig(Config):
    """`faceml evaluate`: the quality of a trained model on a split."""

    model: RunOrModel
    """Run folder of `faceml train`, or its `best_model.pt`; a path or URI."""
    data: SplitConfig
    batch_size: Annotated[int, Field(strict=True, ge=1)] = 64
    loader_processes: CountOrZero = 0
    """Number of processes that decode images; 0 decodes in the main process."""
    use_gpu: bool = False
    flip_test: bool = False
    """Average the outputs for each image and its mirror image, with twice the time of the network."""
    compare_with: tuple[StorageUri, ...] = ()
    """Run folders of other evaluations on the same images, paths or URIs."""
    report: EvaluationReportConfig = EvaluationReportConfig()
    seed: Seed = 0
    """Random seed of the map of embeddings."""
    logging: LoggingConfig = LoggingConfig()
    run: EvaluateRunConfig
