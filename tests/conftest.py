"""What tests of several packages share: the landmark model, loaded once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.model_bundle import find_model_bundle

# How long an example takes says more about the other processes of the machine.
settings.register_profile("faceml", deadline=None)
settings.load_profile("faceml")


@pytest.fixture(scope="session")
def model_bundle() -> Path:
    return find_model_bundle()


@pytest.fixture(scope="session")
def detector(model_bundle: Path) -> Iterator[MediaPipeDetector]:
    """A detector of single faces."""
    with MediaPipeDetector(model_bundle) as opened:
        yield opened
