"""Ray Train's own list of checkpoints, broken at the moments at which it is written."""

from pathlib import Path

import pytest

from ray_jobs.checkpoints import (
    CHECKPOINTS_FOLDER,
    LIST_COPY_FILE,
    LIST_FILE,
    checkpoint_path,
    settle_checkpoints,
)

ONE = '{"checkpoints": ["checkpoint_epoch_000001"]}'
TWO = '{"checkpoints": ["checkpoint_epoch_000001", "checkpoint_epoch_000002"]}'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The checkpoints of epochs 1 and 2, and a half-written one."""
    for epoch in (1, 2):
        checkpoint_path(tmp_path, epoch).mkdir(parents=True)
        (checkpoint_path(tmp_path, epoch) / "model.pt").touch()
    (tmp_path / CHECKPOINTS_FOLDER / ".checkpoint_epoch_000003.abc.partial").mkdir()
    return tmp_path


def left(run: Path) -> list[str]:
    return sorted(path.name for path in (run / CHECKPOINTS_FOLDER).iterdir() if path.is_dir())


@pytest.mark.parametrize("broken", ["", TWO[:-5]])
def test_settle_checkpoints__a_broken_list_is_replaced_by_the_one_before(broken: str, run: Path) -> None:
    (run / CHECKPOINTS_FOLDER / LIST_FILE).write_text(broken)
    (run / CHECKPOINTS_FOLDER / LIST_COPY_FILE).write_text(ONE)
    settle_checkpoints(run)
    assert (run / CHECKPOINTS_FOLDER / LIST_FILE).read_text() == ONE
    assert left(run) == ["checkpoint_epoch_000001"], "epoch 2 is trained again"


def test_settle_checkpoints__a_whole_list_stays_and_with_it_what_it_names(run: Path) -> None:
    (run / CHECKPOINTS_FOLDER / LIST_FILE).write_text(TWO)
    (run / CHECKPOINTS_FOLDER / LIST_COPY_FILE).write_text(ONE)
    settle_checkpoints(run)
    assert (run / CHECKPOINTS_FOLDER / LIST_FILE).read_text() == TWO
    assert left(run) == ["checkpoint_epoch_000001", "checkpoint_epoch_000002"]


def test_settle_checkpoints__a_first_list_that_is_broken_is_none(run: Path) -> None:
    (run / CHECKPOINTS_FOLDER / LIST_FILE).write_text("")
    settle_checkpoints(run)
    assert not list((run / CHECKPOINTS_FOLDER).iterdir())


def test_settle_checkpoints__of_a_new_run_does_nothing(tmp_path: Path) -> None:
    settle_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())
