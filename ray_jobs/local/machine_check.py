"""`faceml doctor`: what this machine has, how fast it extracts, and what is wrong with it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

import faceml
from faceml.errors import catch_errors
from faceml.landmarks import ExtractorSettings, find_model_bundle
from faceml.storage import REPORTABLE_ERRORS, StorageFolder, user_cache
from faceml.tables import ExtractorProcess

PACKAGES = ("torch", "torchvision", "ray", "mediapipe", "opencv-python", "pyarrow", "pydantic")
EXTRAS = {"search": "optuna", "mlflow": "mlflow", "cluster": "aiohttp"}
"""Of each extra, a package that it brings."""
OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
"""All of them install the same `cv2`; of two versions, each overwrites a part of the other."""
LEAST_FREE_BYTES = 5 * 2**30
LEAST_MEMORY_BYTES = 4 * 2**30
RAY_FULL = 0.95
"""Ray takes no more work on a disk that is fuller."""
FACES = 16
FACE_SIDE_PX = 350
LEAST_FOUND = 0.9
"""Of synthetic faces; MediaPipe finds all of them."""
AFFECTNET_IMAGES = 287_651


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What it is.
        found: In words.
        remedy: What to do about it; empty if it is well.
    """

    name: str
    found: str
    remedy: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be done."""
        return bool(self.remedy)


def run(landmarker: Path | None = None, seconds: float = 5.0) -> list[Check]:
    """Look at everything.

    Args:
        landmarker: A `face_landmarker.task`; it is looked for if not given.
        seconds: How long the landmark detector is timed.
    """
    parts: tuple[Callable[[], Iterator[Check]], ...] = (versions, machine, disks, start_ray)
    checks = [check for part in parts for check in part()]
    return [*checks, *extraction(landmarker, seconds)]


def show(checks: list[Check], console: Console) -> None:
    """Print a row for each, and the remedies below."""
    table = Table(title="This machine", title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    table.add_column("")
    for check in checks:
        table.add_row(check.name, check.found, "[red]wrong" if check.is_wrong else "[green]ok")
    console.print(table)
    for check in checks:
        if check.is_wrong:
            console.print(f"{check.name}: {check.remedy}", soft_wrap=True, markup=False)


def versions() -> Iterator[Check]:
    """Look at what is installed."""
    yield Check("faceml", faceml.__version__)
    yield Check("Python", platform.python_version())
    for name in PACKAGES:
        version = _version(name)
        yield Check(name, version or "missing", "" if version else f"pip install {name}")
    versions = {name: version for name in OPENCV if (version := _version(name))}
    if len(set(versions.values())) > 1:
        found = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield Check("OpenCV", found, "they overwrite each other: install them at one version")
    extras = [extra for extra, package in EXTRAS.items() if importlib.util.find_spec(package)]
    yield Check("extras", ", ".join(extras) or "none")


def _version(package: str) -> str | None:
    return next((each.version for each in importlib.metadata.distributions(name=package)), None)


def machine() -> Iterator[Check]:
    """Look at what computes."""
    import torch

    yield Check("CPUs", f"{_cpus()}")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    short = "trainings and detectors need 4 GiB" if memory < LEAST_MEMORY_BYTES else ""
    yield Check("memory", f"{memory / 2**30:.1f} GiB", short)
    if not torch.cuda.is_available():
        yield Check("GPU", f"none that PyTorch sees (built for CUDA {torch.version.cuda or 'not at all'})")
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield Check(f"GPU {number}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def disks() -> Iterator[Check]:
    """Look at the room where trainings, Ray and downloads put their files."""
    places = {"here": Path(), "temporary files": Path(tempfile.gettempdir()), "cache": user_cache()}
    for name, place in places.items():
        there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
        usage = shutil.disk_usage(there)
        remedy = ""
        if usage.free < LEAST_FREE_BYTES:
            remedy = f"{there} has less than 5 GiB free: make room"
        elif usage.used / usage.total > RAY_FULL:
            remedy = f"{there} is more than 95 % full, where Ray takes no work: make room"
        yield Check(
            f"disk, {name}", f"{usage.free / 2**30:.0f} GiB of {usage.total / 2**30:.0f} free", remedy
        )


def start_ray() -> Iterator[Check]:
    """Start Ray as every job does, and give it a task."""
    import ray

    from ray_jobs.cluster import RayCluster, cluster_resources

    started_s = time.monotonic()
    with catch_errors(*REPORTABLE_ERRORS) as stop, RayCluster():
        answer = ray.get(ray.remote(num_cpus=1)(_answer).remote())
        there = cluster_resources()
        seconds = time.monotonic() - started_s
        found = (
            f"{there.get('CPU', 0):g} CPU, {there.get('GPU', 0):g} GPU, a first task after {seconds:.1f} s"
        )
        yield Check("Ray", found, "" if answer == _answer() else "workers are of another faceml")
    if stop.message:
        yield Check("Ray", "does not start", stop.message)


def _answer() -> str:
    return faceml.__version__


def extraction(landmarker: Path | None, seconds: float) -> Iterator[Check]:
    """Look for the landmark model, and extract with it for so many seconds."""
    with catch_errors(*REPORTABLE_ERRORS) as stop:
        model_path = find_model_bundle(landmarker)
    if stop.message:
        yield Check("landmark model", "missing", stop.message)
        return
    yield Check("landmark model", str(model_path))
    with catch_errors(*REPORTABLE_ERRORS) as stop, tempfile.TemporaryDirectory() as folder:
        speed, found = _time_detector(Path(folder), model_path, seconds)
        minutes = AFFECTNET_IMAGES / (speed * _cpus()) / 60
        yield Check(
            "extraction",
            f"{speed:.0f} images/s a detector (synthetic faces of {FACE_SIDE_PX} px, {found:.0%} found); "
            f"{AFFECTNET_IMAGES:,} images in {minutes:.0f} minutes or more on all CPUs",
            "" if found > LEAST_FOUND else "the detector misses faces that it should find",
        )
    if stop.message:
        yield Check("extraction", "does not work", stop.message)


def _time_detector(folder: Path, model_path: Path, seconds: float) -> tuple[float, float]:
    """Return images per second of one detector, and the share of faces that it finds."""
    from faceml.synthetic import generate_faces

    root = folder / "faces"
    generate_faces(root, "affectnet", {"train": FACES}, image_size_px=FACE_SIDE_PX, processes=1)
    files = [file for file in StorageFolder(root / "train").walk() if file.path.endswith(".jpg")]
    made = found = 0
    with ExtractorProcess(ExtractorSettings(str(root / "train"), model_path)) as process:
        started_s = time.monotonic()
        while not made or time.monotonic() < started_s + seconds:
            statuses = [row["status"] for row in process.rows(files)]
            made, found = made + len(statuses), found + statuses.count("ok")
        return made / (time.monotonic() - started_s), found / made
