"""Trainings of two tasks, compared with metrics recorded before there were others.

The training loss of the landmarks was recorded later, when it became the mean over all targets of an epoch.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.training.multitask import build_multitask_trainer
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "loss": {
            "class_weights": "inverse_frequency",
            "label_smoothing": 0.1,
            "focal_gamma": 1.0,
            "landmarks": {"kind": "wing"},
        },
        "data": {"sampling": "balanced", "num_landmarks": 10},
    },
}
# With so small a learning rate, sums in another order do not grow from step to step.
RECORDED: dict[str, list[dict[str, float]]] = {
    "plain": [
        {
            "train/loss": 2.16084,
            "train/loss_expression": 2.13695,
            "train/loss_landmarks": 0.0852569,
            "train/grad_norm_expression": 54.16,
            "train/grad_norm_landmarks": 0.576587,
            "train/grad_cosine": -0.0898367,
            "train/log_var_expression": 0.12432,
            "train/log_var_landmarks": -0.124955,
            "val/accuracy": 0.0,
            "val/macro_f1": 0.0,
            "val/loss_expression": 2.07703,
            "val/landmark_mse": 0.0792451,
            "val/nme_interocular": 1.43529,
            "val/nme_nose_tip": 1.59213,
        },
        {
            "train/loss": 1.85828,
            "train/loss_expression": 2.12366,
            "train/loss_landmarks": 0.0826689,
            "train/grad_norm_expression": 81.5554,
            "train/grad_norm_landmarks": 0.538218,
            "train/grad_cosine": 0.320545,
            "train/log_var_expression": 0.24507,
            "train/log_var_landmarks": -0.249798,
            "val/accuracy": 0.285714,
            "val/macro_f1": 0.220833,
            "val/loss_expression": 2.04456,
            "val/landmark_mse": 0.0792916,
            "val/nme_interocular": 1.43638,
            "val/nme_nose_tip": 1.59404,
        },
    ],
    "everything": [
        {
            "train/loss": 2.21119,
            "train/loss_expression": 1.97692,
            "train/loss_landmarks": 0.282447,
            "train/grad_norm_expression": 61.2876,
            "train/grad_norm_landmarks": 0.729935,
            "train/grad_cosine": 0.153334,
            "train/log_var_expression": 0.122751,
            "train/log_var_landmarks": -0.124837,
            "val/accuracy": 0.142857,
            "val/macro_f1": 0.0375,
            "val/loss_expression": 2.07482,
            "val/landmark_mse": 0.0871246,
            "val/nme_interocular": 0.92396,
            "val/nme_nose_tip": 0.99611,
        },
        {
            "train/loss": 1.92884,
            "train/loss_expression": 1.91566,
            "train/loss_landmarks": 0.279822,
            "train/grad_norm_expression": 67.6168,
            "train/grad_norm_landmarks": 0.857036,
            "train/grad_cosine": 0.0489175,
            "train/log_var_expression": 0.241125,
            "train/log_var_landmarks": -0.249163,
            "val/accuracy": 0.190476,
            "val/macro_f1": 0.0791667,
            "val/loss_expression": 2.04563,
            "val/landmark_mse": 0.0872737,
            "val/nme_interocular": 0.924972,
            "val/nme_nose_tip": 0.996127,
        },
    ],
}


class Records(list[EpochRecord]):
    """Keeps all epochs."""

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.append(record)

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("are_named", [False, True])
def test_build_multitask_trainer__two_tasks_learn_as_before_there_were_others(
    are_named: bool, kind: str, faces: Path
) -> None:
    given, data = SETTINGS[kind], dict[str, Any]()
    for split in ("train", "val"):
        data[split] = {"table": str(faces / "tables" / split), "images": str(faces / "images" / split)}
    raw: dict[str, Any] = {
        "data": {**data, "image_size": 32, **given.get("data", {})},
        "loss": given.get("loss", {}),
        "weighting": {"kind": "uncertainty", "learning_rate": 0.05},
        "optimizer": {"name": "adamw", "learning_rate": 1e-6},
        "training": {"epochs": 2, "batch_size_per_worker": 16},
        "run": {"folder": "/nowhere"},
        "seed": 3,
    }
    if are_named:
        loss = dict(raw.pop("loss"))
        landmarks = {"kind": "landmarks", "points": raw["data"].get("num_landmarks", 5)}
        landmarks |= {"loss": loss.pop("landmarks")} if "landmarks" in loss else {}
        raw["tasks"] = {"expression": {"kind": "classification", "loss": loss}, "landmarks": landmarks}
    records = Records()
    build_multitask_trainer(parse_config(TrainConfig, raw), torch.device("cpu")).fit(2, records)
    for record, recorded in zip(records, RECORDED[kind], strict=True):
        for name, value in recorded.items():
            # Gradients are sums of terms that cancel: from one kind of CPU to another they differ in the
            # fourth digit, where losses and metrics do not.
            within = 1e-3 if "/grad_" in name else 1e-4
            assert record.metrics[name] == pytest.approx(value, rel=within, abs=within), name
