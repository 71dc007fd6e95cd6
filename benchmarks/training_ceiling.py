"""Training loop and network alone, measured alternately in one process without Ray."""

import sys
import time
from collections.abc import Iterator

import torch

from faceml.config import TrainConfig
from faceml.datasets import EpochBatches, FaceSample
from faceml.models import MultitaskFaceModel
from faceml.training import (
    AUTOCAST_DTYPES,
    EpochRecord,
    NonFiniteStep,
    Precision,
    StepRecord,
    Trainer,
    build_multitask_trainer,
    choose_precision,
)

EPOCHS = 2
DEVICE = torch.device("cuda" if "--gpu" in sys.argv else "cpu")
TURN_STEPS = 5
"""Steps per block on a CPU, of the loop and of the network alone: a CPU's speed varies within seconds."""


class Rates:
    """Observer that records the images per second of every epoch."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        """Do nothing."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Record the rate."""
        self.rates.append(record.metrics["train/images_per_second"])

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        """Do nothing."""


class AlternatingBatches:
    """Batches of a loop, between which steps of the network alone are measured.

    On a GPU these steps come at the end of the epoch: in between, decoding processes would get ahead.

    Args:
        batches: Batches of the loop.
        bare: Trainer of the same configuration, whose network is measured.
        precision: Precision of both.
    """

    def __init__(
        self, batches: EpochBatches, bare: Trainer[MultitaskFaceModel], precision: Precision
    ) -> None:
        self._batches, self._bare, self._precision = batches, bare, precision
        batch = next(iter(bare.train_batches)).to(DEVICE)
        self._batch = batch._replace(image=batch.image.float() / 255)
        self.bare_s = 0.0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next batches."""
        self._batches.set_epoch(epoch)
        self.bare_s = 0.0

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[FaceSample]:
        turn = TURN_STEPS if DEVICE.type == "cpu" else len(self)
        waiting = 0
        for number, batch in enumerate(self._batches, start=1):
            yield batch
            waiting += 1
            if waiting == turn or number == len(self):
                self.bare_s += bare_seconds(self._bare, self._batch, waiting, self._precision)
                waiting = 0


def loop_rate(config: TrainConfig) -> float:
    """Return images/s of training without Ray; the first epoch is a warm-up."""
    observer = Rates()
    build_multitask_trainer(config, DEVICE).fit(EPOCHS, observer)
    return observer.rates[-1]


def ceiling_rates(config: TrainConfig, rounds: int) -> dict[str, list[float]]:
    """Alternate epochs from files and from copies with as many steps on one batch, in this process.

    Returns:
        Images per second of every epoch: `loop` and, between its steps, `bare`; `copies`, `bare_copies`.
    """
    training = config.training.model_copy(update={"epochs": rounds + 1})
    config = config.model_copy(update={"training": training})
    split = config.data.train.model_copy(update={"images": None})
    copies = config.model_copy(update={"data": config.data.model_copy(update={"train": split})})
    loops = {
        "loop": build_multitask_trainer(config, DEVICE),
        "copies": build_multitask_trainer(copies, DEVICE),
    }
    bare = build_multitask_trainer(config, DEVICE)
    turns = {}
    for side, trainer in loops.items():
        turns[side] = trainer.train_batches = AlternatingBatches(
            trainer.train_batches, bare, choose_precision(config.training.precision, DEVICE)
        )
    rates: dict[str, list[float]] = {"loop": [], "bare": [], "copies": [], "bare_copies": []}
    for number in range(rounds + 1):
        for side, bare_side in (("loop", "bare"), ("copies", "bare_copies")):
            observer = Rates()
            loops[side].fit(number + 1, observer)
            images = len(turns[side]) * config.training.batch_size_per_worker
            bare_s = turns[side].bare_s
            rates[side].append(images / (images / observer.rates[0] - bare_s))
            rates[bare_side].append(images / bare_s)
    return {side: values[1:] for side, values in rates.items()}  # the first round is a warm-up


def bare_seconds(
    trainer: Trainer[MultitaskFaceModel], batch: FaceSample, steps: int, precision: Precision
) -> float:
    """Return the time of repeated forward, backward and optimiser steps on one batch."""
    objective, optimizer = trainer.objective.train(), trainer.optimizer
    wait_for_device()
    started_s = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, AUTOCAST_DTYPES.get(precision), enabled=precision != "fp32"):
            total = objective(batch).total
        total.backward()
        optimizer.step()
    wait_for_device()
    return time.perf_counter() - started_s


def wait_for_device() -> None:
    """Wait for a GPU to finish."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
