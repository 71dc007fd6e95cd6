"""Fixtures of several packages: the landmark model, loaded once, a Ray cluster and an S3 server."""

import logging
import os
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
from tests.job import NARROW_BACKBONE, python_path

SLOW = ("docs", "ray_jobs", "training")
"""Folders of the slowest tests, which run first so that pytest's processes finish at the same time."""

OF_SHARED_CLUSTER = {
    # As `ray_jobs` sets them for a cluster that it starts.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Nobody looks at the dashboard's figures of processes.
    "REPORTER_UPDATE_INTERVAL_MS": "60000",
    "RAY_DASHBOARD_AGENT_LOOP_MONITOR_INTERVAL_S": "10",
}
"""Environment variables of Ray for the cluster of all tests, and for jobs on it."""

# As in jobs, here before a test imports PyTorch.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The duration of an example depends on the load of the machine.
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


@pytest.fixture(scope="module")
def narrow_backbone() -> Iterator[None]:
    """Let backbones be narrow, for what is the same with any network, in a fraction of the time."""
    import torchvision.models.resnet

    from tests.narrow_resnet import NarrowResNet

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision.models.resnet, "ResNet", NarrowResNet)
        yield


@pytest.fixture(scope="session")
def kept_memory() -> None:
    """Let steps reuse memory, as in a training process; half of the system time of these tests otherwise."""
    from faceml.training.process_setup import keep_freed_memory

    keep_freed_memory()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread, because sums of several threads have no fixed order, and tests share the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def s3_keys() -> Iterator[None]:
    """Keys of `s3_server` in the environment, set before Ray starts, which passes them to its workers."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def ray_cluster(s3_keys: None) -> Iterator[None]:
    """Ray cluster shared by all tests of a process, except those that kill it.

    It has two logical CPUs on every machine, the fewest that two workers need.
    """
    import ray

    from ray_jobs.cluster.local_ray import start_local_cluster

    with pytest.MonkeyPatch.context() as environment:
        for name, value in OF_SHARED_CLUSTER.items():
            environment.setenv(name, value)
        with pytest.MonkeyPatch.context() as of_processes:
            of_processes.setenv("PYTHONPATH", python_path(NARROW_BACKBONE))
            start_local_cluster(exports_metrics=True, num_cpus=2, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture(scope="session")
def cluster_environment(ray_cluster: None) -> dict[str, str]:
    """Environment variables that connect a command in a separate process to `ray_cluster`."""
    import ray

    address = {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": os.environ["RAY_AUTH_MODE"],  # set by Ray, which has made a token
    }
    return address | OF_SHARED_CLUSTER


@pytest.fixture(scope="session")
def s3_server(s3_keys: None) -> Iterator[str]:
    """Address of a local server of the S3 API, host:port."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # otherwise it logs every request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield ":".join(map(str, server.get_host_and_port()))
    server.stop()


@pytest.fixture
def s3_uri(s3_server: str) -> Callable[..., str]:
    """Function that returns the URI of the test's folder in a bucket, through the server or a proxy."""
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
    """Function that copies a local folder into the test's folder in the bucket, and returns its URI."""

    def copy(folder: Path) -> str:
        uri = place_below(s3_uri(), folder.name)
        there = StorageFolder(uri)
        pafs.copy_files(str(folder), there.path, destination_filesystem=there.filesystem, use_threads=False)
        return uri

    return copy
