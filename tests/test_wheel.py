"""The wheel, built and installed outside of the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.job import REPOSITORY

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "faceml", "ray_jobs", "configs")


@pytest.mark.soak
def test_wheel__has_the_configurations_of_the_checkout(tmp_path: Path) -> None:
    source, installed = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        options = {"symlinks": True} if copy is shutil.copytree else {}
        copy(REPOSITORY / name, source / name, **options)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *built, "--wheel-dir", tmp_path, source], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True, timeout=300)
    shipped = {file.name: file.read_bytes() for file in (REPOSITORY / "configs").iterdir()}
    assert {file.name: file.read_bytes() for file in (installed / "faceml" / "configs").iterdir()} == shipped
    top = {path.name for path in installed.iterdir() if "dist-info" not in path.name}
    assert top <= {"faceml", "ray_jobs", "bin"}, "nothing else is installed at the top"
    done = subprocess.run(
        [sys.executable, "-m", "ray_jobs.synth", "--set", "output.root=drawn", "--set", "splits={train: 1}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 1
