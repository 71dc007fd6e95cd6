"""Ray Train's checkpoints of a run, and what they lack to survive whatever is killed whenever.

Ray Train keeps a list of its checkpoints in a file that it writes in place: killed at that moment, or on a
full disk, it leaves half a list, and then knows of no checkpoint at all.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray.train

from faceml.atomic import write_text

CHECKPOINTS_FOLDER = "checkpoints"
LIST_FILE = "checkpoint_manager_snapshot.json"
"""Ray Train's name."""
LIST_COPY_FILE = "checkpoint_list.json"


def checkpoint_path(run_folder: Path, epoch: int) -> Path:
    """Return the folder of an epoch's checkpoint."""
    return run_folder / CHECKPOINTS_FOLDER / f"checkpoint_epoch_{epoch:06}"


class ListKept(ray.train.UserCallback):
    """Copy Ray Train's list of checkpoints after each of them, whole or not at all.

    Args:
        run_folder: Of the run.
    """

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / CHECKPOINTS_FOLDER

    def after_report(
        self,
        run_context: Any,
        metrics: list[dict[str, Any]],
        checkpoint: ray.train.Checkpoint | None,
    ) -> None:
        """Copy the list, which has the new checkpoint by now."""
        if checkpoint is not None:
            write_text(self._folder / LIST_COPY_FILE, (self._folder / LIST_FILE).read_text(encoding="utf-8"))


def settle_checkpoints(run_folder: Path) -> None:
    """Undo what processes that were killed have left half done: the list, and checkpoints not on it.

    Nothing is at work in this folder. The list's copy is at most one checkpoint behind, and Ray Train
    deletes old checkpoints only when the list has been written: all that are on the copy are there.
    """
    folder = run_folder / CHECKPOINTS_FOLDER
    if not folder.is_dir():
        return
    if not _is_whole(folder / LIST_FILE):
        (folder / LIST_FILE).unlink(missing_ok=True)
        if (folder / LIST_COPY_FILE).is_file():
            write_text(folder / LIST_FILE, (folder / LIST_COPY_FILE).read_text(encoding="utf-8"))
    listed = (folder / LIST_FILE).read_text(encoding="utf-8") if (folder / LIST_FILE).is_file() else ""
    for entry in folder.iterdir():
        if entry.is_dir() and f'"{entry.name}"' not in listed:
            shutil.rmtree(entry)


def _is_whole(file: Path) -> bool:
    found = None
    with suppress(FileNotFoundError, json.JSONDecodeError):
        found = json.loads(file.read_text(encoding="utf-8"))
    return found is not None
