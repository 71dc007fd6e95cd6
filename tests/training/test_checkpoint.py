import pickle
import resource
from pathlib import Path

import pytest
import torch

from faceml.datasets.preprocessing import Preprocessing
from faceml.errors import StoppedError
from faceml.images.framing import Framing
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.training.checkpoint import model_checkpoint, read_state, write_state
from tests.default_tasks import default_pair, pair_model


def test_write_state__tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    state = {"weights": {"a": torch.arange(3.0)}, "epoch": 3, "names": ["x"], "rate": 1e-3, "none": None}
    write_state(state, tmp_path / "new" / "state.pt")
    found = read_state(tmp_path / "new" / "state.pt")
    assert torch.equal(found.pop("weights")["a"], state.pop("weights")["a"])  # type: ignore[index]
    assert found == state
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "state.pt"]


def test_write_state__a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    write_state({"epoch": 1}, tmp_path / "state.pt")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        write_state({"epoch": 2, "cannot be pickled": lambda: None}, tmp_path / "state.pt")
    assert read_state(tmp_path / "state.pt") == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_write_state__says_that_a_file_may_grow_no_further(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_state({"epoch": 1}, tmp_path / "state.pt")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    with pytest.raises(StoppedError, match=f"^{tmp_path}: no space left to write .File too large"):
        write_state({"weights": torch.zeros(1_000_000)}, tmp_path / "state.pt")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_state(tmp_path / "state.pt") == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "state.pt"]


def test_read_state__executes_nothing(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"epoch": Harmful()}, tmp_path / "state.pt")
    with pytest.raises(pickle.UnpicklingError):
        read_state(tmp_path / "state.pt")
    assert not (tmp_path / "executed").exists()


def test_model_checkpoint__has_all_that_is_needed_to_use_the_model(tmp_path: Path) -> None:
    model = pair_model(num_landmarks=10)
    config = {"model": {"backbone": "resnet18"}, "data": {"scale": [0.9, 1.1]}}
    checkpoint = model_checkpoint(
        model,
        config,
        Preprocessing(64),
        default_pair(10),
        {"val/accuracy": 0.5, "val/nme": float("nan")},
        Framing(((0.3, 0.4), (0.7, 0.4)), 0.75),
    )
    write_state(checkpoint, tmp_path / "model.pt")
    found = torch.load(tmp_path / "model.pt", weights_only=True)
    assert found.keys() == {
        *("model_state_dict", "config", "preprocessing", "tasks", "learned", "outputs"),
        *("landmark_set", "framing", "metrics"),
    }
    assert found["framing"] == {"landmarks": [[0.3, 0.4], [0.7, 0.4]], "aspect": 0.75}
    assert found["config"] == config
    assert found["landmark_set"] == list(LANDMARK_SETS[10].names)
    assert found["preprocessing"]["image_size"] == 64
    assert found["outputs"]["expression"]["classes"][:2] == ["neutral", "happy"]
    assert found["outputs"]["landmarks"]["points"] == list(LANDMARK_SETS[10].names)
    assert found["tasks"]["landmarks"] == {"kind": "landmarks", "points": 10, "loss": {"kind": "mse"}}
    assert found["metrics"]["val/accuracy"] == 0.5
    again = pair_model(num_landmarks=10)
    again.load_state_dict(found["model_state_dict"])
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(again.eval()(image).embedding, model.eval()(image).embedding)
