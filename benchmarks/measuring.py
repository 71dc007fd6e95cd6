"""Runs of faceml jobs, and medians of alternating measurements."""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def run_job(job: str, config: str, settings: Mapping[str, Any]) -> None:
    """Run a job such as `extract` in a process of its own, without its output.

    Args:
        job: Module of `ray_jobs`.
        config: Configuration file.
        settings: Values that override the configuration, by key.
    """
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    subprocess.run(
        [sys.executable, "-m", f"ray_jobs.{job}", "--config", config, *overrides],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def median_ratio(ours: list[float], theirs: list[float], digits: int = 3) -> float:
    """Return the median of ratios of consecutive measurements, because a machine's speed drifts."""
    return round(statistics.median(one / other for one, other in zip(ours, theirs, strict=True)), digits)


def medians(rounds: list[dict[str, float]], digits: int) -> dict[str, float]:
    """Return the median of each figure over the rounds."""
    return {name: round(statistics.median(found[name] for found in rounds), digits) for name in rounds[0]}
