"""The data of trainings that follow each other in one process, opened once."""

from functools import lru_cache

from faceml.config import AugmentationConfig, DataConfig, LeakageConfig
from faceml.training.faces import Faces, build_faces


def opened_faces(config: DataConfig) -> Faces:
    """Return the splits of `build_faces`; the last ones are kept for as long as others are not asked for.

    Raises:
        ConfigError: A table or its images cannot be used.
    """
    # What does not change the splits is made alike, so that a search over it opens them once too.
    alike = {
        "sampling": "natural",
        "leakage": LeakageConfig(),
        "augmentation": AugmentationConfig(),
        "loader_processes": 0,
    }
    return _build_faces(config.model_copy(update=alike))


def data_openings() -> int:
    """Return how often this process has opened data."""
    return _build_faces.cache_info().misses


# Only the last ones: names and landmarks of millions of faces take hundreds of megabytes.
_build_faces = lru_cache(maxsize=1)(build_faces)
