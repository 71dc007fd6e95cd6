"""In what a report was made: the command, and the versions of what it was made with."""

import importlib.metadata
import platform
import shlex
import sys
from pathlib import Path

PACKAGES = ("torch", "torchvision", "ray", "mediapipe", "opencv-python", "numpy", "pyarrow")


def command_line() -> str:
    """Return the command of faceml that this process was started by, as one would type it."""
    program = Path(sys.argv[0])
    if program.suffix == ".py" and program.parent.name == "ray_jobs":
        return shlex.join(["python", "-m", f"ray_jobs.{program.stem}", *sys.argv[1:]])
    return shlex.join(["faceml", *sys.argv[1:]]) if program.name == "faceml" else "called from Python"


def versions() -> str:
    """Return Python's version and those of the packages that results may hang on."""
    # Of several on the path, the first is the one that is imported.
    found = ((name, next(iter(importlib.metadata.distributions(name=name)), None)) for name in PACKAGES)
    told = [f"{name} {package.version}" for name, package in found if package]
    return ", ".join([f"Python {platform.python_version()}", *told])
