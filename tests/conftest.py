"""What tests of several packages share: the landmark model, loaded once, and a store that speaks S3."""

import logging
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server of the S3 API on this machine, as host:port; keys to it are in the environment."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield ":".join(map(str, server.get_host_and_port()))
    server.stop()
