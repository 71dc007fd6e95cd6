"""`faceml doctor`: versions, hardware, Ray and extraction speed of this machine, with a remedy per fault."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

import faceml
from faceml.errors import catch_errors
from faceml.extraction import ExtractorProcess
from faceml.landmarks import DetectorOptions, ExtractorSettings, find_model_bundle
from faceml.storage import REPORTABLE_ERRORS, StorageFolder, user_cache

PACKAGES = ("torch", "torchvision", "ray", "mediapipe", "opencv-python", "pyarrow", "pydantic")
EXTRAS = {"search": "optuna", "mlflow": "mlflow", "cluster": "aiohttp"}
"""A package of each extra."""
OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
"""Packages that all install `cv2`; two of different versions overwrite each other in part."""
MIN_FREE_BYTES = 5 * 2**30
MIN_MEMORY_BYTES = 4 * 2**30
RAY_MAX_DISK_USE = 0.95
"""Fraction of a disk in use above which Ray accepts no more work."""
FIRST_TASK_S = 60
FACES = 16
FACE_SIDE_PX = 350
MIN_DETECTION_RATE = 0.9
"""MediaPipe detects all synthetic faces."""
AFFECTNET_IMAGES = 287_651


class Check(NamedTuple):
    """Result of one check.

    Attributes:
        name: Subject of the check.
        found: Result as text.
        remedy: Instruction to repair the fault; empty if there is none.
    """

    name: str
    found: str
    remedy: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether there is a fault to repair."""
        return bool(self.remedy)


def run(landmarker: Path | None = None, seconds: float = 5.0) -> list[Check]:
    """Run all checks.

    Args:
        landmarker: File `face_landmarker.task`; searched for if not given.
        seconds: Duration of the landmark detector's speed measurement in s.
    """
    machine = [*check_versions(), *check_hardware(), *check_disks(), *check_ray()]
    return [*machine, *check_extraction(landmarker, seconds)]


def show(checks: list[Check], console: Console) -> None:
    """Print a row per check, and the remedies below."""
    table = Table(title="This machine", title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    table.add_column("")
    for check in checks:
        state = Text("wrong", "red") if check.is_wrong else Text("ok", "green")
        table.add_row(check.name, check.found, state)
    console.print(table)
    for check in checks:
        if check.is_wrong:
            console.print(f"{check.name}: {check.remedy}", soft_wrap=True)


def check_versions() -> Iterator[Check]:
    """Check the installed packages."""
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


def check_hardware() -> Iterator[Check]:
    """Check CPUs, memory and GPUs."""
    import torch

    yield Check("CPUs", f"{_cpus()}")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    short = "trainings and detectors need 4 GiB" if memory < MIN_MEMORY_BYTES else ""
    yield Check("memory", f"{memory / 2**30:.1f} GiB", short)
    if not torch.cuda.is_available():
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        yield Check("GPU", f"none that PyTorch sees (built {built})")
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield Check(f"GPU {number}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_disks() -> Iterator[Check]:
    """Check the free space for the files of trainings, Ray and downloads."""
    places = {"here": Path(), "temporary files": Path(tempfile.gettempdir()), "cache": user_cache()}
    for name, place in places.items():
        existing = next(path for path in (place.absolute(), *place.absolute().parents) if path.is_dir())
        usage = shutil.disk_usage(existing)
        remedy = ""
        if usage.free < MIN_FREE_BYTES:
            remedy = f"{existing} has less than 5 GiB free: make room"
        elif usage.used / usage.total > RAY_MAX_DISK_USE:
            remedy = f"{existing} is more than 95 % full, and Ray accepts no work: make room"
        yield Check(
            f"disk, {name}", f"{usage.free / 2**30:.0f} GiB of {usage.total / 2**30:.0f} free", remedy
        )


def check_ray() -> Iterator[Check]:
    """Start Ray as every job does, and run a task on it."""
    import ray

    from ray_jobs.cluster import RayCluster

    started_s = time.monotonic()
    with catch_errors(*REPORTABLE_ERRORS) as stop, RayCluster():
        task = ray.remote(num_cpus=1)(_faceml_version).remote()
        done, _ = ray.wait([task], timeout=FIRST_TASK_S)
        if not done:
            yield Check(
                "Ray", f"no task could run within {FIRST_TASK_S} s", "wait until other jobs free a CPU"
            )
            return
        version = ray.get(task)
        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        seconds = time.monotonic() - started_s
        found = (
            f"{total.get('CPU', 0):g} CPU, {total.get('GPU', 0):g} GPU, a first task after {seconds:.1f} s"
        )
        yield Check("Ray", found, "" if version == _faceml_version() else "workers have another faceml")
    if stop.message:
        yield Check("Ray", "does not start", stop.message)


def _faceml_version() -> str:
    return faceml.__version__


def check_extraction(landmarker: Path | None, seconds: float) -> Iterator[Check]:
    """Find the landmark model, and measure the speed of extraction with it."""
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
            "" if found > MIN_DETECTION_RATE else "the detector misses faces that it should detect",
        )
    if stop.message:
        yield Check("extraction", "does not work", stop.message)


def _time_detector(folder: Path, model_path: Path, seconds: float) -> tuple[float, float]:
    """Return images per second of one detector, and its detection rate."""
    from faceml.synthetic import generate_faces

    root = folder / "faces"
    generate_faces(root, "affectnet", {"train": FACES}, image_size_px=FACE_SIDE_PX, processes=1)
    files = [file for file in StorageFolder(root / "train").walk() if file.path.endswith(".jpg")]
    made = found = 0
    with ExtractorProcess(ExtractorSettings(str(root / "train"), DetectorOptions(model_path))) as process:
        started_s = time.monotonic()
        while not made or time.monotonic() < started_s + seconds:
            statuses = [rows[0]["status"] for rows in process.extract_rows(files)]
            made, found = made + len(statuses), found + statuses.count("ok")
        return made / (time.monotonic() - started_s), found / made
