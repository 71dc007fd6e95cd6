import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError, UnreachableError
from faceml.runs.trial_folder import Outcome, TrialFolder, in_one_line, record_failure
from faceml.storage import stores
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from tests.flaky_store import FlakyStore


@pytest.fixture(params=["path", "uri"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3_uri: Callable[..., str]) -> str:
    """Of a trial's folder, on this machine or in a store."""
    return place_below(str(tmp_path) if request.param == "path" else s3_uri(), "trials", "trial_00007")


def test_trial_folder__knows_nothing_of_a_trial_that_never_began(place: str) -> None:
    folder = TrialFolder(place)
    assert (folder.settings, folder.outcome, folder.records, folder.checkpoint) == (None, None, [], None)
    assert not folder.has_begun


def test_trial_folder__reads_back_what_was_written(place: str) -> None:
    folder = TrialFolder(place)
    settings = {"optimizer.learning_rate": 1e-3, "data.augmentation.scale": [0.9, 1.1], "seed": 2}
    folder.begin(settings)
    assert (folder.name, folder.settings, folder.outcome) == ("trial_00007", settings, None)
    assert folder.has_begun
    folder.end(Outcome(worker="host:1"))
    assert TrialFolder(folder.place).outcome == Outcome(None, "host:1")


def test_trial_folder__a_metric_without_a_value_is_nan_and_arrays_stay_out(place: str) -> None:
    record = {
        "epoch": 1,
        "val/accuracy": 0.5,
        "val/nme_interocular": None,
        "val/confusion_matrix": [[1]],
        "val/action_units/label_counts": [[[1, 0], [0, 2]]],
    }
    StorageFolder(place).write("metrics.jsonl", (json.dumps(record) + "\n").encode())
    (found,) = TrialFolder(place).records
    assert found.keys() == {"epoch", "val/accuracy", "val/nme_interocular"}
    assert math.isnan(found["val/nme_interocular"])


def test_trial_folder__the_end_removes_the_checkpoint(place: str) -> None:
    folder = TrialFolder(place)
    StorageFolder(place).write("checkpoint/model.pt", b"half")
    assert folder.checkpoint is None, "half a checkpoint is none"
    StorageFolder(place).write("checkpoint/training_state.pt", b"state")
    assert folder.checkpoint == place_below(place, "checkpoint")
    folder.end(Outcome())
    assert [file.path for file in StorageFolder(place).walk()] == ["outcome.json"]


def test_record_failure__writes_the_reason_and_lets_the_error_go_on(place: str) -> None:
    folder = TrialFolder(place)
    with pytest.raises(MemoryError), record_failure(folder):
        raise MemoryError
    assert folder.outcome == Outcome("MemoryError")
    with pytest.raises(StoppedError, match=r"^MemoryError$"), record_failure(folder):
        pytest.fail("it is not tried again")


def test_record_failure__a_trial_that_a_scheduler_stops_has_not_failed(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    with pytest.raises(SystemExit), record_failure(folder):
        raise SystemExit(0)
    with record_failure(folder):
        pass
    assert folder.outcome is None


def test_record_failure__a_trial_whose_folder_cannot_be_reached_has_not_failed(
    s3_server: str, s3_uri: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 1)
    there = TrialFolder(s3_uri())
    with FlakyStore(s3_server, lambda method, path: "drop") as store:
        away = TrialFolder(s3_uri(store.endpoint))
        with (
            pytest.raises(UnreachableError, match=r"^s3://faces/.*: cannot be reached"),
            record_failure(there),
        ):
            away.begin({"seed": 1})
        for ask in (lambda: away.records, lambda: away.checkpoint, away.remove_checkpoint):
            with pytest.raises(StoppedError, match=r"cannot be reached .* The same command continues"):
                ask()
    assert there.outcome is None


def test_in_one_line__names_the_kind_of_what_is_not_ours() -> None:
    assert in_one_line(StoppedError("a\n gradient")) == "a gradient"
    assert in_one_line(ConfigError("no such key")) == "no such key"
    assert in_one_line(RuntimeError("CUDA\nerror")) == "RuntimeError: CUDA error"
    assert len(in_one_line(ValueError("x" * 1000))) == len("ValueError: ") + 300


def test_trial_folder__what_a_killed_driver_left_of_a_checkpoint_can_be_removed(place: str) -> None:
    folder = TrialFolder(place)
    folder.end(Outcome())
    StorageFolder(place).write("checkpoint/model.pt", b"half")
    folder.remove_checkpoint()
    folder.remove_checkpoint()
    assert [file.path for file in StorageFolder(place).walk()] == ["outcome.json"]
