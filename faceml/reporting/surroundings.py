"""In what a report was made: the command, and the versions of what it was made with."""

import importlib.metadata
import platform
import shlex
import sys
from pathlib import Path

PACKAGES = ("torch", "torchvision", "ray", "mediapipe", "opencv-python", "numpy", "pyarrow")


def command_line() -> str:
    """Return the command that this process was started by, as one would type it."""
    program = Path(sys.argv[0])
    if program.suffix == ".py" and program.parent.name == "ray_jobs":
        words = ["python", "-m", f"ray_jobs.{program.stem}"]
    else:
        words = [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def versions() -> str:
    """Return Python's version and those of the packages that results may hang on."""
    there = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
    told = [f"{name} {there[name]}" for name in PACKAGES if name in there]
    return ", ".join([f"Python {platform.python_version()}", *told])
