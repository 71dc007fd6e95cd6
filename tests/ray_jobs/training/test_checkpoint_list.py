"""Ray Train's list of checkpoints, with writes interrupted at every moment."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from ray_jobs.cluster.ray_internals import CHECKPOINT_LIST_FILE
from ray_jobs.training.checkpoint_list import (
    CHECKPOINTS_FOLDER,
    LIST_COPY_FILE,
    checkpoint_in,
    checkpoint_path,
    new_checkpoint,
    settle_checkpoints,
)

ONE = b'{"checkpoints": ["checkpoint_epoch_000001"]}'
TWO = b'{"checkpoints": ["checkpoint_epoch_000001", "checkpoint_epoch_000002"]}'
LIST, COPY = (f"{CHECKPOINTS_FOLDER}/{name}" for name in (CHECKPOINT_LIST_FILE, LIST_COPY_FILE))


@pytest.fixture(params=["local", "s3"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> StorageFolder:
    """A run folder that is not there yet, on this machine or in a store."""
    if request.param == "local":
        return StorageFolder(tmp_path / "run")
    s3_uri: Callable[..., str] = request.getfixturevalue("s3_uri")
    return StorageFolder(place_below(s3_uri(), "run"))


@pytest.fixture
def begun(run: StorageFolder) -> StorageFolder:
    """The checkpoints of epochs 1 and 2, and a half-written one."""
    for epoch in (1, 2):
        with new_checkpoint(run, epoch) as folder:
            (folder / "model.pt").write_bytes(bytes([epoch]))
    run.write(f"{CHECKPOINTS_FOLDER}/.checkpoint_epoch_000003.abc.partial/model.pt", b"half")
    return run


def left(run: StorageFolder) -> list[str]:
    entries = run.filesystem.get_file_info(pafs.FileSelector(f"{run.path}/{CHECKPOINTS_FOLDER}"))
    return sorted(entry.base_name for entry in entries if entry.type is pafs.FileType.Directory)


@pytest.mark.parametrize("broken", [b"", TWO[:-5]])
def test_settle_checkpoints__a_broken_list_is_replaced_by_the_one_before(
    broken: bytes, begun: StorageFolder
) -> None:
    begun.write(LIST, broken)
    begun.write(COPY, ONE)
    settle_checkpoints(begun)
    assert begun.read(LIST) == ONE
    assert left(begun) == ["checkpoint_epoch_000001"], "epoch 2 is trained again"


def test_settle_checkpoints__a_whole_list_stays_and_with_it_what_it_names(begun: StorageFolder) -> None:
    begun.write(LIST, TWO)
    begun.write(COPY, ONE)
    settle_checkpoints(begun)
    assert begun.read(LIST) == TWO
    assert left(begun) == ["checkpoint_epoch_000001", "checkpoint_epoch_000002"]


def test_settle_checkpoints__a_first_list_that_is_broken_is_none(begun: StorageFolder) -> None:
    begun.write(LIST, b"")
    settle_checkpoints(begun)
    assert not left(begun)
    assert not begun.has(LIST)


def test_settle_checkpoints__of_a_new_run_does_nothing(run: StorageFolder) -> None:
    settle_checkpoints(run)
    assert not run.exists()


def test_new_checkpoint__that_fails_is_not_there(run: StorageFolder) -> None:
    with suppress(ZeroDivisionError), new_checkpoint(run, 1) as folder:
        (folder / "model.pt").write_bytes(bytes(1 // 0))
    assert not run.has(f"{checkpoint_path(1)}/model.pt")


def test_checkpoint_in__is_read_where_ray_train_reads_it(begun: StorageFolder) -> None:
    with checkpoint_in(begun, 2).as_directory() as folder:
        assert Path(folder, "model.pt").read_bytes() == b"\x02"
