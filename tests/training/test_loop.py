"""Trainings of a second each."""

import math
from collections.abc import Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from faceml.config.loading import assign_keys, parse_config
from faceml.config.train import TrainConfig
from faceml.datasets.batches import SampledBatches
from faceml.datasets.labelled_faces import FaceSample
from faceml.errors import StoppedError
from faceml.models.small_maps import SmallMapConv2d
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.sorted_rows import read_table
from faceml.training.loop import Trainer
from faceml.training.multitask import build_multitask_trainer
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord
from faceml.training.step import StepResult, TrainingStep

pytestmark = pytest.mark.usefixtures("narrow_backbone")

EPOCHS, STEPS = 2, 4


class Notebook:
    """Keeps all records, and the checkpoint of every epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[StepRecord] = []
        self.epochs: list[EpochRecord] = []
        self.nonfinite: list[NonFiniteStep] = []

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record)
        record.save(self.folder / str(record.epoch))

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        self.nonfinite.append(record)


def config(faces: Path, **changes: Any) -> TrainConfig:
    data = {
        split: {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
        for split in ("train", "val")
    }
    raw = {
        "data": {**data, "image_size": 32},
        "weighting": {"kind": "uncertainty", "learning_rate": 0.05},
        "training": {"epochs": EPOCHS, "batch_size_per_worker": 16, "log_every_steps": 2},
        "run": {"folder": "/nowhere"},
        "seed": 3,
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return parse_config(TrainConfig, assign_keys(raw, dotted))


def trained(settings: TrainConfig, folder: Path, epochs: int = EPOCHS, resume: Path | None = None) -> Trainer:
    trainer = build_multitask_trainer(settings, torch.device("cpu"))
    if resume:
        trainer.resume(resume)
    trainer.fit(epochs, Notebook(folder))
    return trainer


def assert_same_state(one: Path, other: Path) -> None:
    for name in ("training_state.pt", "model.pt"):
        first, second = (torch.load(folder / name, weights_only=True) for folder in (one, other))
        for state in (first, second):
            for key in [key for key in state.get("metrics", {}) if "per_second" in key]:
                del state["metrics"][key]
        assert_equal(first, second)


def assert_equal(one: Any, other: Any) -> None:
    """Bit for bit, whatever it is made of."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        assert one == other


@pytest.fixture(scope="module")
def run(
    faces: Path, narrow_backbone: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, Notebook]:
    """One uninterrupted training."""
    torch.set_num_threads(1)
    notebook = Notebook(tmp_path_factory.mktemp("run"))
    trainer = build_multitask_trainer(config(faces), torch.device("cpu"))
    trainer.fit(EPOCHS, notebook)
    return trainer, notebook


def test_fit__tells_of_every_second_step_and_every_epoch(run: tuple[Trainer, Notebook]) -> None:
    _, notebook = run
    assert [(r.epoch, r.step, r.total_steps) for r in notebook.steps] == [
        (1, 1, 8),
        (1, 3, 8),
        (2, 5, 8),
        (2, 7, 8),
    ]
    figures = {"train/loss", "train/loss_expression", "train/loss_landmarks", "train/grad_norm"}
    assert notebook.steps[0].metrics.keys() == figures
    assert [record.epoch for record in notebook.epochs] == [1, 2]


def test_build_trainer__trains_on_a_cpu_with_fast_convolutions_of_small_maps(
    run: tuple[Trainer, Notebook],
) -> None:
    trainer, _ = run
    types = {type(module) for module in trainer.objective.model.modules() if isinstance(module, nn.Conv2d)}
    assert SmallMapConv2d in types


def test_fit__the_loss_of_an_epoch_is_the_mean_over_its_targets(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[StepResult] = []
    run_step = TrainingStep.__call__

    def without_most_landmarks(step: TrainingStep, batches: Sequence[FaceSample], *others: Any) -> StepResult:
        for batch in batches:
            # None in every other step, and a growing number in the rest.
            batch.targets["landmarks"].known[4 * len(results) if len(results) % 2 else 0 :] = False
        results.append(run_step(step, batches, *others))
        return results[-1]

    monkeypatch.setattr(TrainingStep, "__call__", without_most_landmarks)
    trainer = build_multitask_trainer(config(faces), torch.device("cpu"))
    notebook = Notebook(tmp_path)
    trainer.fit(1, notebook)
    counts = torch.stack([result.counts for result in results])
    assert trainer.objective.tasks == ("expression", "landmarks")
    assert counts[:, 0].tolist() == [16] * STEPS
    assert counts[::2, 1].tolist() == [0, 0]
    assert 0 < counts[1, 1] < counts[3, 1]
    losses = torch.stack([result.losses[1:] for result in results])
    expected = (losses * counts).sum(0) / counts.sum(0)
    found = notebook.epochs[0].metrics
    assert [found[f"train/loss_{task}"] for task in trainer.objective.tasks] == pytest.approx(
        expected.tolist()
    )
    assert found["train/loss_landmarks"] > 1.5 * losses[:, 1].mean().item(), (
        "without the steps without targets"
    )


def test_fit__an_epoch_has_the_metrics_of_the_design(run: tuple[Trainer, Notebook]) -> None:
    for record in run[1].epochs:
        expected = {
            *("train/loss", "train/loss_expression", "train/loss_landmarks"),
            *("train/grad_norm_expression", "train/grad_norm_landmarks"),
            *("train/log_var_expression", "train/log_var_landmarks"),
            *("train/weight_expression", "train/weight_landmarks"),
            *("train/grad_norm", "train/grad_cosine", "train/nonfinite_steps"),
            *("train/learning_rate", "train/images_per_second", "val/accuracy", "val/macro_f1"),
            *("val/loss_expression", "val/landmark_mse", "val/nme_interocular"),
        }
        of_points = {f"val/nme_{name}" for name in LANDMARK_SETS[5].names}
        assert record.metrics.keys() == expected | of_points
        assert all(math.isfinite(value) for value in record.metrics.values())
        assert record.arrays.keys() == {"val/confusion_matrix"}
        assert np.sum(record.arrays["val/confusion_matrix"]) == 21
        assert record.metrics["train/nonfinite_steps"] == 0
        for task in ("expression", "landmarks"):
            assert record.metrics[f"train/grad_norm_{task}"] > 0
            s, weight = (record.metrics[f"train/{name}_{task}"] for name in ("log_var", "weight"))
            assert weight == pytest.approx(math.exp(-s))


@pytest.mark.parametrize(("every", "times"), [(1, 8), (3, 4), (1000, 2)])
def test_fit__computes_diagnostics_as_often_as_configured_and_learns_the_same(
    every: int, times: int, run: tuple[Trainer, Notebook], faces: Path, tmp_path: Path
) -> None:
    notebook, seen = Notebook(tmp_path), []
    trainer = build_multitask_trainer(
        config(faces, training__gradient_norms_every_steps=every), torch.device("cpu")
    )
    compute = trainer.objective.compute_diagnostics
    trainer.objective.compute_diagnostics = lambda output: seen.append(compute(output)) or seen[-1]  # type: ignore[method-assign, func-returns-value]
    trainer.fit(EPOCHS, notebook)
    assert len(seen) == times
    for name in ("train/grad_norm_expression", "train/grad_cosine"):
        epochs = [[found[name] for found in part] for part in (seen[: times // 2], seen[times // 2 :])]
        assert [record.metrics[name] for record in notebook.epochs] == pytest.approx(
            [sum(part) / len(part) for part in epochs]
        )
    for one, other in zip(trainer.model.parameters(), run[0].model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_fit__log_variances_move_towards_the_logarithm_of_their_loss(run: tuple[Trainer, Notebook]) -> None:
    first, last = (record.metrics for record in run[1].epochs)
    assert 0 > first["train/log_var_landmarks"] > last["train/log_var_landmarks"]
    assert 0 < first["train/log_var_expression"] < last["train/log_var_expression"]


def test_fit__the_learning_rate_told_is_that_of_the_epochs_last_step(run: tuple[Trainer, Notebook]) -> None:
    first, second = (record.metrics["train/learning_rate"] for record in run[1].epochs)
    assert first == pytest.approx(3e-4), "warmed up"
    assert second == pytest.approx(3e-4 * (1 + math.cos(math.pi * (STEPS - 1) / STEPS)) / 2)


def test_fit__learns(run: tuple[Trainer, Notebook]) -> None:
    first, last = (record.metrics for record in run[1].epochs)
    assert last["train/loss_expression"] < 0.9 * first["train/loss_expression"]


def test_fit__the_same_seed_gives_the_same_parameters_and_another_seed_others(
    run: tuple[Trainer, Notebook], faces: Path, tmp_path: Path
) -> None:
    trained(config(faces), tmp_path / "same", epochs=1)
    assert_same_state(tmp_path / "same" / "1", run[1].folder / "1")
    other = trained(config(faces, seed=4), tmp_path / "other", epochs=1).objective.state_dict()
    same = torch.load(run[1].folder / "1" / "training_state.pt", weights_only=True)["objective"]
    assert not torch.equal(other["model.expression_head.weight"], same["model.expression_head.weight"])


def test_resume__goes_on_as_if_never_interrupted(
    run: tuple[Trainer, Notebook], faces: Path, tmp_path: Path
) -> None:
    trained(config(faces), tmp_path, resume=run[1].folder / "1")
    assert_same_state(tmp_path / "2", run[1].folder / "2")
    assert not (tmp_path / "1").exists()


def test_resume__goes_on_with_the_same_views_from_loader_processes(faces: Path, tmp_path: Path) -> None:
    settings = config(faces, data__loader_processes=2)
    trained(settings, tmp_path / "whole")
    trained(settings, tmp_path / "resumed", resume=tmp_path / "whole" / "1")
    assert_same_state(tmp_path / "resumed" / "2", tmp_path / "whole" / "2")


def test_resume__a_longer_training_goes_on_with_the_rates_of_the_longer_schedule(
    run: tuple[Trainer, Notebook], faces: Path
) -> None:
    trainer = build_multitask_trainer(config(faces, training__epochs=2 * EPOCHS), torch.device("cpu"))
    trainer.resume(run[1].folder / str(EPOCHS))
    progress = (EPOCHS * STEPS - STEPS) / (2 * EPOCHS * STEPS - STEPS)  # after one epoch of warm-up
    expected = 3e-4 * (1 + math.cos(math.pi * progress)) / 2
    rates = {group["name"]: group["lr"] for group in trainer.optimizer.param_groups}
    assert rates["backbone.layer4"] == pytest.approx(expected)
    assert rates["heads"] == pytest.approx(10 * expected)


def test_resume__a_finished_training_has_nothing_to_do(
    run: tuple[Trainer, Notebook], faces: Path, tmp_path: Path
) -> None:
    trained(config(faces), tmp_path, resume=run[1].folder / "2")
    assert not list(tmp_path.iterdir())


BREAKING = {"optimizer__name": "sgd", "optimizer__learning_rate": 1e30, "training__warmup_epochs": 0.0}


@pytest.mark.parametrize("log_every_steps", [1, 1000])
def test_fit__a_gradient_that_is_not_finite_stops_it_with_the_remedy_and_names_the_faces(
    log_every_steps: int, faces: Path, tmp_path: Path
) -> None:
    settings = config(faces, **BREAKING, training__log_every_steps=log_every_steps)
    notebook, trainer = Notebook(tmp_path), build_multitask_trainer(settings, torch.device("cpu"))
    with pytest.raises(StoppedError, match=r"Lower optimizer\.learning_rate") as stopped:
        trainer.fit(EPOCHS, notebook)
    assert not notebook.epochs, "no checkpoint of a model that diverged"
    (nonfinite,) = notebook.nonfinite
    expression, landmarks = (nonfinite.metrics[f"train/loss_{task}"] for task in ("expression", "landmarks"))
    losses = f"Losses: expression {expression:.3g}, landmarks {landmarks:.3g}."
    assert f"in epoch 1, step {nonfinite.step}. {losses} " in str(stopped.value)
    assert nonfinite.epoch == 1
    assert nonfinite.step > 1
    assert len(set(nonfinite.image_ids)) == 16
    assert set(nonfinite.image_ids) <= set(trained_faces(faces))
    assert not math.isfinite(nonfinite.metrics["train/grad_norm"])
    assert all(p.isfinite().all() for p in trainer.objective.parameters()), "the step was left out"


def trained_faces(faces: Path) -> list[str]:
    images: list[str] = read_table(faces / "tables" / "train")["image_id"].to_pylist()
    return images


def test_fit__a_poisoned_face_is_skipped_if_asked_and_the_others_learned(faces: Path, tmp_path: Path) -> None:
    settings = config(faces, training__on_nonfinite="skip")
    trainer, notebook = build_multitask_trainer(settings, torch.device("cpu")), Notebook(tmp_path)
    assert isinstance(trainer.train_batches, SampledBatches)
    dataset = trainer.train_batches.faces
    landmarks = dataset.targets["landmarks"]
    poisoned = int(landmarks.known.nonzero()[5])
    landmarks.values[poisoned] = float("inf")
    trainer.fit(EPOCHS, notebook)
    assert [record.epoch for record in notebook.nonfinite] in ([1, 2], [1], [2])
    assert all(dataset.image_ids[poisoned] in record.image_ids for record in notebook.nonfinite)
    for record in notebook.epochs:
        assert record.metrics["train/nonfinite_steps"] == sum(
            b.epoch == record.epoch for b in notebook.nonfinite
        )
        assert math.isfinite(record.metrics["train/loss"])


def test_fit__a_frozen_backbone_stays_bit_for_bit_and_then_learns(faces: Path, tmp_path: Path) -> None:
    settings = config(faces, training__freeze_backbone_epochs=1)
    start = build_multitask_trainer(settings, torch.device("cpu")).objective.model.backbone.state_dict()
    trained(settings, tmp_path)
    first, second = (
        torch.load(tmp_path / epoch / "model.pt", weights_only=True)["model_state_dict"]
        for epoch in ("1", "2")
    )
    assert all(torch.equal(first[f"backbone.{name}"], tensor) for name, tensor in start.items())
    assert not torch.equal(second["backbone.conv1.weight"], start["conv1.weight"])
    assert not torch.equal(first["expression_head.weight"], second["expression_head.weight"])


def test_fit__ends_when_patience_does_and_a_resume_knows_it(faces: Path, tmp_path: Path) -> None:
    settings = config(
        faces, optimizer__name="sgd", optimizer__learning_rate=1e-12, training__patience_epochs=1, seed=0
    )
    trainer = trained(settings, tmp_path, epochs=5)
    assert trainer.has_stopped_early
    done = sorted(int(folder.name) for folder in tmp_path.iterdir())
    assert done == list(range(1, len(done) + 1))
    assert 2 <= len(done) < 5
    accuracies = [
        torch.load(tmp_path / str(epoch) / "model.pt", weights_only=True)["metrics"]["val/accuracy"]
        for epoch in done
    ]
    assert accuracies[-1] <= max(accuracies[:-1])
    trained(settings, tmp_path / "again", epochs=5, resume=tmp_path / str(done[-1]))
    assert not (tmp_path / "again").exists()


def test_fit__the_average_is_what_is_evaluated_and_kept_and_resumed(faces: Path, tmp_path: Path) -> None:
    settings = config(faces, training__ema_decay=0.9, training__accumulate_batches=2)
    trainer = trained(settings, tmp_path / "whole")
    kept = torch.load(tmp_path / "whole" / "2" / "model.pt", weights_only=True)
    state = kept["model_state_dict"]
    assert_equal(state, dict(trainer.model.state_dict()))
    assert not torch.equal(state["expression_head.weight"], trainer.objective.model.expression_head.weight)
    assert trainer._evaluate(trainer.model)[0]["accuracy"] == kept["metrics"]["val/accuracy"]
    trained(settings, tmp_path / "resumed", resume=tmp_path / "whole" / "1")
    assert_same_state(tmp_path / "resumed" / "2", tmp_path / "whole" / "2")


def test_fit__sampling_draws_rare_expressions_as_often_as_frequent_ones(faces: Path) -> None:
    trainer = build_multitask_trainer(config(faces, data__sampling="balanced"), torch.device("cpu"))
    drawn = torch.cat([batch.targets["expression"].values for batch in trainer.train_batches])
    counts = torch.bincount(drawn, minlength=8)
    assert len(drawn) == STEPS * 16
    assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize("option", ["channels_last", "compile"])
def test_fit__another_way_to_compute_learns_the_same(
    option: str, run: tuple[Trainer, Notebook], faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of torch.compile but the C++ compiler, which would take minutes.
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    trainer, notebook = (
        build_multitask_trainer(config(faces, **{f"training__{option}": True}), torch.device("cpu")),
        Notebook(tmp_path),
    )
    trainer.fit(1, notebook)
    # Sums in another order; batch norms over one pixel make most of it, and later steps part.
    expected = run[1].steps[0].metrics
    for name, value in notebook.steps[0].metrics.items():
        assert value == pytest.approx(expected[name], rel=1e-2), name
    assert notebook.steps[1].metrics["train/loss"] < notebook.steps[0].metrics["train/loss"]
    assert trainer.model.state_dict().keys() == run[0].model.state_dict().keys()
    again = build_multitask_trainer(config(faces), torch.device("cpu"))
    again.resume(tmp_path / "1")
    assert_equal(dict(again.model.state_dict()), dict(trainer.model.state_dict()))


@pytest.mark.parametrize("kind", ["dwa", "rlw", "famo", "pcgrad", "uw_so", "gls", "db_mtl"])
def test_fit__of_any_weighting_resumed_is_as_uninterrupted(kind: str, faces: Path, tmp_path: Path) -> None:
    epochs = 3  # DWA weights an epoch by the losses of the two before
    settings = config(faces, weighting={"kind": kind}, training__epochs=epochs)
    trained(settings, tmp_path / "whole", epochs)
    trained(settings, tmp_path / "rest", epochs, resume=tmp_path / "whole" / "2")
    assert_same_state(tmp_path / "whole" / "3", tmp_path / "rest" / "3")


@pytest.mark.parametrize("kind", ["fixed", "uncertainty_revised"])
def test_fit__works_with_other_weightings(kind: str, faces: Path, tmp_path: Path) -> None:
    settings = config(
        faces, weighting={"kind": kind}, loss__class_weights="inverse_frequency", data__num_landmarks=10
    )
    trainer = trained(settings, tmp_path, epochs=1)
    found = torch.load(tmp_path / "1" / "model.pt", weights_only=True)
    assert len(found["landmark_set"]) == 10
    assert ("train/log_var_landmarks" in found["metrics"]) == (kind != "fixed")
    assert "train/weight_expression" in found["metrics"]
    assert trainer.objective.weighting.effective_weights().keys() == {"expression", "landmarks"}


def test_save__the_model_file_is_that_of_the_design(run: tuple[Trainer, Notebook], faces: Path) -> None:
    trainer, notebook = run
    found = torch.load(notebook.folder / "2" / "model.pt", weights_only=True)
    assert found.keys() == {
        *("model_state_dict", "config", "preprocessing", "tasks", "learned", "outputs"),
        *("landmark_set", "framing", "metrics"),
    }
    assert parse_config(TrainConfig, yaml.safe_load(yaml.safe_dump(found["config"]))) == config(faces)
    assert found["metrics"] == notebook.epochs[1].metrics
    checkpoint, backbone = found, trainer.objective.model.backbone
    state = {
        k.replace("backbone.", ""): v for k, v in checkpoint["model_state_dict"].items() if "backbone" in k
    }
    assert_equal(state, dict(backbone.state_dict()))


def test_save__a_frozen_moment_is_not_changed_by_later_training(run: tuple[Trainer, Notebook]) -> None:
    early, late = (run[1].folder / epoch / "model.pt" for epoch in ("1", "2"))
    weights = [
        torch.load(file, weights_only=True)["model_state_dict"]["expression_head.weight"]
        for file in (early, late)
    ]
    assert not torch.equal(*weights)
