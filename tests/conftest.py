"""Fixtures of several packages: the landmark model, loaded once, a Ray cluster and an S3 server."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow.fs as pafs
import pytest
from hypothesis import settings

from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.model_bundle import find_model_bundle
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below

SLOW = ("docs", "ray_jobs")
"""Folders of the tests that take longest; they come first, so that pytest's processes end together."""

# How long an example takes says more about the other processes of the machine.
settings.register_profile("faceml", deadline=None)
settings.load_profile("faceml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.relative_to(Path(__file__).parent).parts[0], len(SLOW)))


@pytest.fixture(scope="session")
def model_bundle() -> Path:
    return find_model_bundle()


@pytest.fixture(scope="session")
def detector(model_bundle: Path) -> Iterator[MediaPipeDetector]:
    """A detector of single faces."""
    with MediaPipeDetector(model_bundle) as opened:
        yield opened


@pytest.fixture(scope="session")
def s3_keys() -> Iterator[None]:
    """Keys to `s3_server` in the environment, of which Ray's workers get what is there when Ray starts."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def ray_cluster(s3_keys: None) -> Iterator[None]:
    """One Ray head for all tests of a process, except those that kill it.

    It has two logical CPUs, as the smallest machine that runs two workers has, whatever else runs here.
    """
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def cluster_environment(ray_cluster: None) -> dict[str, str]:
    """Variables by which a command in a process of its own finds `ray_cluster`."""
    import ray

    return {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # nothing preempts the nodes of one machine
    }


@pytest.fixture(scope="session")
def s3_server(s3_keys: None) -> Iterator[str]:
    """A server of the S3 API on this machine, as host:port."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield ":".join(map(str, server.get_host_and_port()))
    server.stop()


@pytest.fixture
def s3_uri(s3_server: str) -> Callable[..., str]:
    """Make the URI of an own folder in a bucket, by way of the server itself or of a proxy."""
    server = pafs.S3FileSystem(
        endpoint_override=s3_server, scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    server.create_dir("faces")
    folder = uuid4().hex
    return lambda endpoint=s3_server: (
        f"s3://faces/{folder}/train%20set?endpoint_override={endpoint}&scheme=http&region=us-east-1"
    )


@pytest.fixture
def in_s3(s3_uri: Callable[..., str]) -> Callable[[Path], str]:
    """Copy a folder of this machine into the own one, and return its URI there."""

    def copy(folder: Path) -> str:
        uri = place_below(s3_uri(), folder.name)
        there = StorageFolder(uri)
        pafs.copy_files(str(folder), there.path, destination_filesystem=there.filesystem, use_threads=False)
        return uri

    return copy
