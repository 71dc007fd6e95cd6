"""Lineage of trained models: their tables and starting weights, from the configurations of their runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from faceml.config import load_yaml
from faceml.runs.files import BEST_MODEL_FILE, CONFIG_FILE
from faceml.storage import StorageFolder


class TrainedRun(NamedTuple):
    """A run that was trained or validated on a table.

    Attributes:
        folder: Run folder.
        reason: `trained on TABLE` or `started from RUN/best_model.pt`.
        models: Weight files in the run folder, including those of its checkpoints.
    """

    folder: Path
    reason: str
    models: list[Path]


def find_trained_runs(tables: Sequence[str], runs: Sequence[Path]) -> list[TrainedRun]:
    """Find the trainings that read a table and wrote weights, and those that started from such weights.

    Args:
        tables: Paths or URIs of landmark tables.
        runs: Folders that contain run folders of any job, at any depth.

    Returns:
        Runs in the order of their paths; a run follows the runs whose weights it started from.
    """
    places = {StorageFolder(table).uri for table in tables}
    configs = dict(_configs(runs))
    found: dict[Path, TrainedRun] = {}
    for run, config in configs.items():
        read = [value for key, value in _leaves(config) if key == "table" and value in places]
        if read:
            found[run] = TrainedRun(run, f"trained on {read[0]}", _models(run))
    grown = True
    while grown:
        known = {str(model) for run in found.values() for model in run.models}
        new = {
            run: TrainedRun(run, f"started from {weights}", _models(run))
            for run, config in configs.items()
            if run not in found
            for key, weights in _leaves(config)
            if key == "weights" and weights in known
        }
        found |= new
        grown = bool(new)
    return [run for run in found.values() if run.models]


def _configs(runs: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    for folder in runs:
        for file in sorted(folder.absolute().rglob(CONFIG_FILE)):
            raw = load_yaml(file.read_bytes())
            # Extraction and evaluation train nothing.
            if isinstance(raw, dict) and any(key in raw for key in ("training", "train", "recognition")):
                yield file.parent, raw


def _leaves(section: Any) -> Iterator[tuple[str, Any]]:
    """Yield the last part of each dotted key and its value."""
    if isinstance(section, dict):
        for key, value in section.items():
            if isinstance(value, dict):
                yield from _leaves(value)
            else:
                yield str(key), value


def _models(run: Path) -> list[Path]:
    best = run / BEST_MODEL_FILE
    return [*([best] if best.is_file() else []), *sorted(run.glob("checkpoint*/**/*.pt"))]
