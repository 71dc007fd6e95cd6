"""Ordinal regression: one of K ordered levels, by K - 1 cumulative logits (CORAL, Cao et al. 2020)."""

from typing import Literal

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics import MeanAbsoluteError, MeanMetric

from faceml.config import ConfigError, TaskConfig
from faceml.datasets import Target, number_columns
from faceml.metrics import Score
from faceml.tasks import Task, TaskLoss, TaskMetric, sum_over_count


class OrdinalConfig(TaskConfig):
    kind: Literal["ordinal"]
    target: str
    levels: int

    def target_columns(self):
        return (self.target,)


class CumulativeHead(torch.nn.Module):
    """One score for all thresholds, so that probabilities never cross."""

    def __init__(self, embedding_dim, levels):
        super().__init__()
        self.score = torch.nn.Linear(embedding_dim, 1, bias=False)
        self.thresholds = torch.nn.Parameter(torch.linspace(1, -1, levels - 1))

    def forward(self, embedding):
        return self.score(embedding) + self.thresholds


class OrdinalLoss(TaskLoss):
    def forward(self, output, target, count):
        above = (target.values[:, None] > torch.arange(output.shape[1], device=output.device)).float()
        losses = binary_cross_entropy_with_logits(output.float(), above, reduction="none").sum(dim=1)
        return sum_over_count(torch.where(target.known, losses, 0.0), count)


class OrdinalMetric(TaskMetric):
    def __init__(self):
        super().__init__()
        self.mae, self.loss, self.of_batch = MeanAbsoluteError(), MeanMetric(), OrdinalLoss()

    def update(self, output, target):
        known = target.known
        if known.any():
            self.mae.update((output > 0).sum(dim=1)[known].float(), target.values[known].float())
            self.loss.update(self.of_batch(output, target, known.sum()), weight=known.sum())

    def compute(self):
        return {"mae": self.mae.compute(), "loss": self.loss.compute()}


class OrdinalTask(Task[OrdinalConfig]):
    config_class = OrdinalConfig
    likelihood = "classification"
    scores = (Score("mae", "level error", minimised=True, is_share=False, digits=2),)

    def read(self, rows, source):
        levels = torch.from_numpy(number_columns(rows, self.columns, f"tasks.{self.name}.target")[:, 0])
        known = levels.isfinite()
        if ((levels < 0) | (levels >= self.config.levels)).any():
            raise ConfigError(f"{source}: column {self.config.target} has a level that does not exist.")
        return Target(torch.where(known, levels, 0).long(), known)

    def build_head(self, embedding_dim):
        return CumulativeHead(embedding_dim, self.config.levels)

    def build_loss(self, target=None):
        return OrdinalLoss()

    def build_metric(self):
        return OrdinalMetric()

    def outputs(self, output):
        return {self.name: output.float().sigmoid()}
