"""Trainings of any number of tasks of all kinds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.loading import assign_keys, parse_config
from faceml.config.sections.weighting import WeightingConfig
from faceml.config.train import DataConfig, TrainConfig
from faceml.tasks.selection import select_score
from faceml.training.faces import build_faces
from faceml.training.multitask import build_multitask_trainer, build_sampler
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord
from faceml.training.trained_model import load_trained_model
from tests.crowd_table import write_crowd_table

pytestmark = pytest.mark.usefixtures("narrow_backbone")

CPU = torch.device("cpu")
TASKS: dict[str, dict[str, Any]] = {
    "expression": {"kind": "classification"},
    "landmarks": {"kind": "landmarks"},
    "pose": {"kind": "regression", "target": ["yaw_deg", "pitch_deg", "roll_deg"], "scale": 90},
    "affect": {
        "kind": "regression",
        "target": ["valence", "arousal"],
        "range": [-1, 1],
        "loss": {"kind": "ccc"},
    },
    "smile": {"kind": "classification", "target": "smiles", "classes": "found"},
    "units": {"kind": "multilabel", "target": ["au01", "au02"]},
}
OF_LABELS = {"affect", "smile", "units"}


class Records(list[EpochRecord]):
    """Keeps all epochs, and their checkpoints if there is a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.append(record)
        if self.folder:
            record.save(self.folder / str(record.epoch))

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)


def settings_of(faces: Path, tasks: Iterable[str | dict[str, Any]], **changes: Any) -> TrainConfig:
    """Settings of a training of two steps per epoch on tasks of `TASKS`, or on given ones."""
    given: dict[str, Any] = {}
    for task in tasks:
        given |= {task: TASKS[task]} if isinstance(task, str) else task
    data: dict[str, Any] = {"image_size": 32}
    for split in ("train", "val"):
        data[split] = {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        if OF_LABELS & given.keys():
            data[split]["labels"] = str(faces / "labels" / f"{split}.csv")
    raw = {
        "data": data,
        "tasks": given,
        "training": {"epochs": 2, "batch_size_per_worker": 32},
        "run": {"folder": "/nowhere"},
    }
    return parse_config(TrainConfig, assign_keys(raw, {k.replace("__", "."): v for k, v in changes.items()}))


def train(
    config: TrainConfig, folder: Path | None = None, epochs: int = 2, resume: Path | None = None
) -> Records:
    records, trainer = Records(folder), build_multitask_trainer(config, CPU)
    if resume:
        trainer.resume(resume)
    trainer.fit(epochs, records)
    return records


@pytest.mark.parametrize(
    "tasks",
    [["expression"], ["landmarks"], ["pose"], ["affect"], ["units"], ["expression", "landmarks", "pose"],
     ["landmarks", "smile", "affect", "units"]],
)  # fmt: skip
def test_build_multitask_trainer__any_number_of_tasks_learn(
    tasks: list[str], faces: Path, tmp_path: Path
) -> None:
    (record, last), count = train(settings_of(faces, tasks), tmp_path), len(tasks)
    metrics = record.metrics
    assert {name for name in metrics if name.startswith("train/loss_")} == {f"train/loss_{t}" for t in tasks}
    assert sum(name.startswith("train/grad_cosine") for name in metrics) == count * (count - 1) // 2
    assert all(np.isfinite(value) for value in metrics.values())
    assert last.metrics["train/loss_" + tasks[0]] != metrics["train/loss_" + tasks[0]]
    trained = load_trained_model(tmp_path / "2" / "model.pt")
    assert list(trained.tasks) == tasks
    with torch.inference_mode():
        outputs = trained.model(torch.zeros(2, 3, 32, 32))
    for name, task in trained.tasks.items():
        for values in task.outputs(outputs.tasks[name]).values():
            assert values.isfinite().all()


KINDS = [
    get_args(member.model_fields["kind"].annotation)[0] for member in get_args(get_args(WeightingConfig)[0])
]


@pytest.mark.parametrize("has_instructions", [True, False])
def test_build_multitask_trainer__precision_auto_is_that_of_the_hardware(
    has_instructions: bool, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_instructions)
    losses = {
        precision: train(settings_of(faces, ["pose"], training__precision=precision), epochs=1)[0].metrics[
            "train/loss"
        ]
        for precision in ("auto", "bf16", "fp32")
    }
    assert losses["auto"] == losses["bf16" if has_instructions else "fp32"]
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.parametrize("kind", KINDS)
def test_build_multitask_trainer__three_tasks_learn_with_any_weighting(kind: str, faces: Path) -> None:
    config = settings_of(faces, ["smile", "landmarks", "affect"], weighting={"kind": kind})
    (record,) = train(config, epochs=1)
    weights = [record.metrics[f"train/weight_{task}"] for task in ("smile", "landmarks", "affect")]
    assert np.isfinite(weights).all()
    assert min(weights) >= 0


def test_resume__many_tasks_go_on_as_if_never_interrupted(faces: Path, tmp_path: Path) -> None:
    config = settings_of(faces, ["smile", "affect", "pose", "units"], data__loader_processes=1)
    train(config, tmp_path / "whole")
    (resumed,) = train(config, tmp_path / "resumed", resume=tmp_path / "whole" / "1")
    one, other = (
        torch.load(tmp_path / name / "2" / "model.pt", weights_only=True) for name in ("whole", "resumed")
    )
    assert resumed.epoch == 2
    assert one["tasks"] == other["tasks"]
    for name, tensor in one["model_state_dict"].items():
        assert torch.equal(tensor, other["model_state_dict"][name]), name


def test_build_multitask_trainer__classes_that_are_left_out_are_neither_seen_nor_predicted(
    faces: Path,
) -> None:
    seven = {"expression": {"kind": "classification", "leave_out": ["contempt", "fear"]}}
    config = settings_of(faces, [seven])
    trainer = build_multitask_trainer(config, CPU)
    drawn = torch.cat([batch.targets["expression"].values for batch in trainer.train_batches])
    assert set(drawn.tolist()) <= set(range(6))
    (record,) = train(config, epochs=1)
    assert np.shape(record.arrays["val/confusion_matrix"]) == (6, 6)
    # 21 validation faces of the classes 0 to 7 in turn; fear is 4, contempt 7.
    assert np.sum(record.arrays["val/confusion_matrix"]) == 21 - 3 - 2


@pytest.mark.parametrize(
    ("metric", "mode"),
    [("pose/mae", None), ("pose/mae_roll_deg", "max"), ("expression/loss", None), ("landmarks/mse", "max")],
)
def test_fit__the_metric_that_is_selected_chooses_the_best_epoch(
    metric: str, mode: str | None, faces: Path, tmp_path: Path
) -> None:
    config = settings_of(
        faces,
        ["expression", "landmarks", "pose"],
        selection={"metric": metric, "mode": mode},
        training__epochs=3,
        optimizer={"name": "sgd", "learning_rate": 0.01},
    )
    records = train(config, tmp_path, epochs=3)
    score = select_score(config.selection, config.all_tasks)
    values = [record.metrics[score.metric] for record in records]
    state = torch.load(tmp_path / "3" / "training_state.pt", weights_only=True)
    best = np.argmin(values) if mode != "max" else np.argmax(values)
    assert state["best_epoch"] == best + 1
    assert state["best_score"] == values[best]


@pytest.mark.parametrize(("mode", "epochs"), [("min", 2), ("max", 3)])
def test_fit__stops_early_by_the_metric_that_is_selected(mode: str, epochs: int, faces: Path) -> None:
    config = settings_of(
        faces,
        ["pose"],
        selection={"metric": "pose/mae", "mode": mode},
        training__patience_epochs=1,
        training__epochs=3,
    )
    trainer = build_multitask_trainer(config, CPU)
    growing = iter([1.0, 2.0, 3.0])
    evaluate = trainer._evaluate
    trainer._evaluate = lambda model: ({**evaluate(model)[0], "pose/mae": next(growing)}, {})  # type: ignore[method-assign]
    records = Records()
    trainer.fit(3, records)
    assert len(records) == epochs
    assert trainer.has_stopped_early is (mode == "min")


def test_fit__a_metric_without_a_value_is_never_the_best(faces: Path, tmp_path: Path) -> None:
    config = settings_of(faces, ["pose"], training__epochs=3)
    trainer, values = build_multitask_trainer(config, CPU), iter([np.nan, 5.0, np.nan])
    evaluate = trainer._evaluate
    trainer._evaluate = lambda model: ({**evaluate(model)[0], "pose/mae": next(values)}, {})  # type: ignore[method-assign]
    trainer.fit(3, Records(tmp_path))
    found = [torch.load(tmp_path / str(n) / "training_state.pt", weights_only=True) for n in (1, 2, 3)]
    assert [state["best_epoch"] for state in found] == [0, 2, 2]
    assert [state["best_score"] for state in found[1:]] == [5.0, 5.0]


def test_resume__of_a_version_that_selected_by_accuracy_only(faces: Path, tmp_path: Path) -> None:
    config = settings_of(faces, ["expression"], training__patience_epochs=1)
    train(config, tmp_path, epochs=1)
    file = tmp_path / "1" / "training_state.pt"
    state = torch.load(file, weights_only=True)
    state["best_accuracy"] = state.pop("best_score") + 1  # no later epoch is better
    torch.save(state, file)
    (record,) = train(config, tmp_path / "again", epochs=3, resume=tmp_path / "1")
    assert record.epoch == 2, "stopped, because the accuracy of before is still the best"


def test_build_sampler__draws_the_classes_of_the_first_task_that_has_some_or_of_the_one_that_is_named(
    faces: Path,
) -> None:
    tasks = ["pose", "smile", "expression"]
    drawn = {}
    for name in (None, "expression"):
        config = settings_of(faces, tasks, data__sampling="balanced", data__sampling_task=name)
        opened = build_faces(config)
        positions = torch.tensor(list(build_sampler(config, opened, 0)))
        drawn[name] = {
            task: opened.tasks[task].groups(opened.train.targets[task])[positions] for task in tasks
        }
    smiles = torch.bincount(drawn[None]["smile"] + 1)  # unlabelled images, no, yes
    assert smiles.tolist() == [22, 22, 22]
    expressions = torch.bincount(drawn["expression"]["expression"], minlength=8)
    assert expressions.max() - expressions.min() <= 1


@pytest.mark.parametrize(
    ("tasks", "name", "message"),
    [
        (["pose", "landmarks"], None, "sqrt needs a task with classes, and there is none. Use natural"),
        (["pose", "expression"], "pose", "sqrt needs a task with classes, which pose has not"),
    ],
)
def test_build_sampler__a_task_without_classes_is_refused(
    tasks: list[str], name: str | None, message: str, faces: Path
) -> None:
    config = settings_of(faces, tasks, data__sampling="sqrt", data__sampling_task=name)
    with pytest.raises(ConfigError, match=f"data.sampling: {message}"):
        build_sampler(config, build_faces(config), 0)


@pytest.mark.parametrize("from_copies", [False, True])
def test_build_multitask_trainer__learns_from_a_table_of_all_faces(
    from_copies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = write_crowd_table(tmp_path)
    config = settings_of(tmp_path, ["expression", "landmarks", "pose"], training__batch_size_per_worker=7)
    split = {"table": str(root / "table")} | ({} if from_copies else {"images": str(root / "images")})
    data = config.data.model_dump() | {"train": split, "val": split}
    config = config.model_copy(update={"data": parse_config(DataConfig, data)})
    (record,) = train(config, epochs=1)
    assert all(np.isfinite(record.metrics[f"train/loss_{task}"]) for task in config.all_tasks)
    faces = build_faces(config)
    assert [faces.num_targets(task) for task in config.all_tasks] == [4, 6, 6]


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_build_multitask_trainer__classes_learn_from_mixed_images_and_landmarks_from_the_others(
    kind: str, faces: Path
) -> None:
    tasks = ["expression", "landmarks", "units"]
    mixing = {"kind": kind, "alpha": 4.0, "probability": 0.5}
    plain, mixed = (train(settings_of(faces, tasks, **given)) for given in ({}, {"data__mixing": mixing}))
    assert all(np.isfinite(value) for record in mixed for value in record.metrics.values())
    for task in tasks:
        name = f"train/loss_{task}"
        assert mixed[0].metrics[name] > 0
        assert mixed[0].metrics[name] != plain[0].metrics[name]


def test_train_config__mixing_that_leaves_a_task_without_targets_is_refused(faces: Path) -> None:
    mixing = {"kind": "mixup", "probability": 1}
    with pytest.raises(ConfigError, match=r"data\.mixing\.probability: 1 .* tasks\.landmarks cannot learn"):
        settings_of(faces, ["expression", "landmarks"], data__mixing=mixing)
    assert settings_of(faces, ["expression", "units"], data__mixing=mixing).data.mixing is not None
