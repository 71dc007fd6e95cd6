"""Ray Train's checkpoints of a run, protected against interruption at any moment.

Ray Train keeps a list of its checkpoints in a file that it overwrites in place. When it is killed during the
write, or the disk is full, the list is incomplete, and Ray Train then finds no checkpoint at all.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.fs as pafs
import ray.train

from faceml.storage import StorageFolder, atomic_folder, put_file, translate_outage
from ray_jobs.cluster import CHECKPOINT_LIST_FILE

CHECKPOINTS_FOLDER = "checkpoints"
LIST_COPY_FILE = "checkpoint_list.json"


def checkpoint_path(epoch: int) -> str:
    """Return the folder of an epoch's checkpoint, relative to the run folder."""
    return f"{CHECKPOINTS_FOLDER}/checkpoint_epoch_{epoch:06}"


@contextmanager
def new_checkpoint(run_folder: StorageFolder, epoch: int) -> Iterator[Path]:
    """Yield a local folder to write a checkpoint into, and move it to the run folder afterwards.

    In a local run folder the checkpoint appears atomically. In a store its files are uploaded one by one: the
    checkpoint is valid once it is on Ray Train's list.

    Args:
        run_folder: Folder of the run.
        epoch: Epoch of the checkpoint.
    """
    if run_folder.is_local:
        with atomic_folder(Path(run_folder.uri, checkpoint_path(epoch))) as partial:
            yield partial
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)
            for file in Path(folder).iterdir():
                put_file(file, run_folder, f"{checkpoint_path(epoch)}/{file.name}")


def checkpoint_in(run_folder: StorageFolder, epoch: int) -> ray.train.Checkpoint:
    """Return the checkpoint of an epoch for Ray Train."""
    return ray.train.Checkpoint(f"{run_folder.path}/{checkpoint_path(epoch)}", run_folder.filesystem)


class CheckpointListCopy(ray.train.UserCallback):
    """Callback that copies Ray Train's list of checkpoints atomically after each checkpoint.

    Args:
        run_folder: Folder of the run.
    """

    def __init__(self, run_folder: StorageFolder) -> None:
        self._folder = run_folder

    def after_report(
        self,
        run_context: Any,
        metrics: list[dict[str, Any]],
        checkpoint: ray.train.Checkpoint | None,
    ) -> None:
        """Copy the list, which already has the new checkpoint."""
        if checkpoint is not None:
            self._folder.write(
                f"{CHECKPOINTS_FOLDER}/{LIST_COPY_FILE}", _read(self._folder, CHECKPOINT_LIST_FILE)
            )


def settle_checkpoints(run_folder: StorageFolder) -> None:
    """Restore an incomplete list from its copy, and delete checkpoints that are not on the list.

    No process may be training in this folder. The copy is at most one checkpoint behind, and Ray Train
    deletes old checkpoints only after it has written the list: all checkpoints on the copy exist.

    Raises:
        ConfigError: The store refuses access; names the cause.
        StoppedError: The store cannot be reached.
    """
    with translate_outage(run_folder.uri):
        listed = _read(run_folder, CHECKPOINT_LIST_FILE)
        if not _is_whole(listed):
            run_folder.delete(f"{CHECKPOINTS_FOLDER}/{CHECKPOINT_LIST_FILE}")
            listed = _read(run_folder, LIST_COPY_FILE)
            if listed:
                run_folder.write(f"{CHECKPOINTS_FOLDER}/{CHECKPOINT_LIST_FILE}", listed)
        store = run_folder.filesystem
        found = pafs.FileSelector(f"{run_folder.path}/{CHECKPOINTS_FOLDER}", allow_not_found=True)
        for entry in store.get_file_info(found):
            if entry.type is pafs.FileType.Directory and f'"{entry.base_name}"'.encode() not in listed:
                store.delete_dir(entry.path)


def _read(run_folder: StorageFolder, name: str) -> bytes:
    """Return the content of a list of checkpoints, empty if there is none."""
    if not run_folder.has(f"{CHECKPOINTS_FOLDER}/{name}"):
        return b""
    content = run_folder.read(f"{CHECKPOINTS_FOLDER}/{name}")
    return content if isinstance(content, bytes) else b""


def _is_whole(listed: bytes) -> bool:
    found = None
    with suppress(json.JSONDecodeError, UnicodeDecodeError):
        found = json.loads(listed)
    return found is not None
