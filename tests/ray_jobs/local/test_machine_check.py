"""`faceml doctor` on this machine, and the faults that it reports."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import ray
import ray.util

import faceml
from ray_jobs.local import machine_check


def test_doctor__says_what_is_here_and_times_the_detector() -> None:
    words = [str(Path(sys.executable).with_name("faceml")), "doctor", "--seconds", "0.5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(re.findall(r"│ (\S.*?) +│ (\S.*?) +│ ok", done.stdout))
    assert found["faceml"] == faceml.__version__
    assert found["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert re.search(r"\d+ CPU, \d+ GPU, a first task after", found["Ray"])
    assert "100% found" in done.stdout
    assert "wrong" not in done.stdout


def test_check_extraction__names_the_remedy_of_a_wrong_landmark_model(tmp_path: Path) -> None:
    file = tmp_path / "face_landmarker.task"
    file.write_bytes(b"another")
    (check,) = machine_check.check_extraction(file, 0.1)
    assert check.is_wrong
    assert "Delete it or name the right file" in check.remedy


@pytest.mark.usefixtures("ray_cluster")
def test_check_ray__waits_no_longer_than_a_minute_for_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check, "FIRST_TASK_S", 1)
    everything = ray.util.placement_group([{"CPU": ray.cluster_resources()["CPU"]}])
    assert everything.wait(60)
    (check,) = machine_check.check_ray()
    ray.util.remove_placement_group(everything)
    assert check == ("Ray", "no task could run within 1 s", "wait until other jobs free a CPU")


def test_check_disks__complains_of_one_that_is_nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check, "MIN_FREE_BYTES", 2**60)
    checks = list(machine_check.check_disks())
    assert [check.name for check in checks] == ["disk, here", "disk, temporary files", "disk, cache"]
    assert all("make room" in check.remedy for check in checks)


def test_check_versions__complains_of_two_opencvs_that_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution of another version, as pip would leave it."""
    info = tmp_path / "opencv_python_headless-4.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: opencv-python-headless\nVersion: 4.1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (check,) = (check for check in machine_check.check_versions() if check.is_wrong)
    assert "opencv-python-headless 4.1.0" in check.found
    assert check.remedy == "they overwrite each other: install them at one version"
