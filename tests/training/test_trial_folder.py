import json
import math
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.stopped import StoppedError
from faceml.training.trial_folder import FailureNoted, Outcome, TrialFolder, in_one_line


def test_trial_folder__knows_nothing_of_a_trial_that_never_began(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path / "trial_00000")
    assert (folder.settings, folder.outcome, folder.records, folder.checkpoint) == (None, None, [], None)


def test_trial_folder__reads_back_what_was_written(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path / "trial_00007")
    settings = {"optimizer.learning_rate": 1e-3, "data.augmentation.scale": [0.9, 1.1], "seed": 2}
    folder.begin(settings)
    assert (folder.name, folder.settings, folder.outcome) == ("trial_00007", settings, None)
    folder.end(Outcome(worker="host:1", data_openings=1))
    assert TrialFolder(folder.path).outcome == Outcome(None, "host:1", 1)


def test_trial_folder__a_metric_without_a_value_is_nan_and_confusions_stay_out(tmp_path: Path) -> None:
    record = {"epoch": 1, "val/accuracy": 0.5, "val/nme_interocular": None, "val/confusion_matrix": [[1]]}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (found,) = TrialFolder(tmp_path).records
    assert found.keys() == {"epoch", "val/accuracy", "val/nme_interocular"}
    assert math.isnan(found["val/nme_interocular"])


def test_trial_folder__the_end_removes_the_checkpoint(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    assert folder.checkpoint is None, "half a checkpoint is none"
    (checkpoint / "training_state.pt").write_bytes(b"state")
    assert folder.checkpoint == checkpoint
    folder.end(Outcome())
    assert not checkpoint.exists()


def test_failure_noted__writes_the_reason_and_lets_the_error_go_on(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    with pytest.raises(MemoryError), FailureNoted(folder):
        raise MemoryError
    assert folder.outcome == Outcome("MemoryError")
    with pytest.raises(StoppedError, match=r"^MemoryError$"), FailureNoted(folder):
        pytest.fail("it is not tried again")


def test_failure_noted__a_trial_that_a_scheduler_stops_has_not_failed(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    with pytest.raises(SystemExit), FailureNoted(folder):
        raise SystemExit(0)
    with FailureNoted(folder):
        pass
    assert folder.outcome is None


def test_in_one_line__names_the_kind_of_what_is_not_ours() -> None:
    assert in_one_line(StoppedError("a\n gradient")) == "a gradient"
    assert in_one_line(ConfigError("no such key")) == "no such key"
    assert in_one_line(RuntimeError("CUDA\nerror")) == "RuntimeError: CUDA error"
    assert len(in_one_line(ValueError("x" * 1000))) == len("ValueError: ") + 300


def test_trial_folder__what_a_killed_driver_left_of_a_checkpoint_can_be_removed(tmp_path: Path) -> None:
    folder = TrialFolder(tmp_path)
    folder.end(Outcome())
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "model.pt").write_bytes(b"half")
    folder.remove_checkpoint()
    folder.remove_checkpoint()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outcome.json"]
