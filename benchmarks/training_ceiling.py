"""The training loop, and the network alone, in one process without Ray."""

import sys
import time

import torch

from faceml.config.train import TrainConfig
from faceml.datasets.face_dataset import FaceSample
from faceml.training.loop import Trainer
from faceml.training.multitask import build_trainer
from faceml.training.observer import BrokenStep, EpochRecord, StepRecord
from faceml.training.step import AUTOCAST_DTYPES, Precision

EPOCHS = 2
DEVICE = torch.device("cuda" if "--gpu" in sys.argv else "cpu")


class Rates:
    """An observer that keeps the images per second of every epoch."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        """Ignore it."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Keep the rate."""
        self.rates.append(record.metrics["train/images_per_second"])

    def on_broken_step(self, record: BrokenStep) -> None:
        """Ignore it."""


def loop_rate(config: TrainConfig) -> float:
    """Train without Ray; the first epoch warms up."""
    observer = Rates()
    build_trainer(config, DEVICE).fit(EPOCHS, observer)
    return observer.rates[-1]


def ceiling_rates(config: TrainConfig, rounds: int) -> dict[str, list[float]]:
    """Go an epoch from files, one from copies, and as many steps on one batch, in turns in this process."""
    training = config.training.model_copy(update={"epochs": rounds + 1})
    config = config.model_copy(update={"training": training})
    split = config.data.train.model_copy(update={"images": None})
    copies = config.model_copy(update={"data": config.data.model_copy(update={"train": split})})
    loops = {"loop": build_trainer(config, DEVICE), "copies": build_trainer(copies, DEVICE)}
    bare = build_trainer(config, DEVICE)
    batch = next(iter(bare.train_faces)).to(DEVICE)
    batch = batch._replace(image=batch.image.float() / 255)
    rates: dict[str, list[float]] = {"bare": [], "loop": [], "copies": []}
    for number in range(rounds + 1):
        for side, trainer in loops.items():
            observer = Rates()
            trainer.fit(number + 1, observer)
            rates[side] += observer.rates
        rates["bare"].append(bare_rate(bare, batch, len(bare.train_faces), config.training.precision))
    return {side: values[1:] for side, values in rates.items()}  # the first round warms up


def bare_rate(trainer: Trainer, batch: FaceSample, steps: int, precision: Precision) -> float:
    """Do forward, backward and step on one batch again and again."""
    objective, optimizer = trainer.objective.train(), trainer.optimizer
    started_s = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, AUTOCAST_DTYPES.get(precision), enabled=precision != "fp32"):
            total = objective(batch).total
        total.backward()
        optimizer.step()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return steps * len(batch.label) / (time.perf_counter() - started_s)
