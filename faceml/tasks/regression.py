"""Regression: one or several numbers per face, such as valence and arousal or the angles of the head.

Shape letters: N rows, B faces of a batch, K numbers, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

from faceml.config import ConfigError, RegressionConfig
from faceml.datasets import Moves, Target, number_columns
from faceml.losses import build_error_penalty, concordance
from faceml.metrics import PairedMetric, Score, compare_means
from faceml.models import NumberHead
from faceml.statistics import Interval, student_interval
from faceml.tasks.columns import list_column
from faceml.tasks.head_pose import NEGATED_POSE, POSE_COLUMNS, move_pose
from faceml.tasks.masked_errors import MaskedErrors
from faceml.tasks.names import output_name
from faceml.tasks.plain_numbers import rounded_by_name
from faceml.tasks.task import Task, TaskMetric, Values
from faceml.tasks.task_loss import TaskLoss

if TYPE_CHECKING:
    from faceml.tasks.chapters.regression import RegressionChapter


class RegressionTask(Task[RegressionConfig]):
    """Predict K numbers, in units of `scale` inside the network.

    The angles of the head in the landmark table, `yaw_deg`, `pitch_deg` and `roll_deg`, follow flips and
    rotations of the image. For that the target has all three of them, after its own columns.
    """

    config_class = RegressionConfig

    def __init__(self, name: str, config: RegressionConfig) -> None:
        super().__init__(name, config)
        own = config.target_columns()
        self.numbers = own
        self._has_pose = any(column in POSE_COLUMNS for column in own)
        self._negated = {*config.negate_on_flip, *NEGATED_POSE}
        low, high = config.range or (0.0, 0.0)
        self._center = (low + high) / 2
        self._scale = config.scale or ((high - low) / 2 if config.range else 1.0)

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the numbers, and all angles of the head if there is one among them."""
        return [*self.numbers, *(POSE_COLUMNS if self._has_pose else ())]

    def read(self, rows: pa.Table, source: str) -> Target:
        """Return the numbers in their own units, float32 of shape (N, K), or (N, K + 3) with head pose."""
        values = number_columns(rows, self.columns, f"tasks.{self.name}.target")
        known = np.asarray(np.isfinite(values).all(axis=1))
        if self.config.range:
            low, high = self.config.range
            own = values[:, : len(self.numbers)]
            outside = np.argwhere(known[:, None] & ((own < low) | (own > high)))
            if len(outside):
                row, column = outside[0]
                raise ConfigError(
                    f"tasks.{self.name}.range: {len(np.unique(outside[:, 0]))} images have values outside "
                    f"[{low:g}, {high:g}], such as {own[row, column]:g} in column {self.numbers[column]} of "
                    f"{rows['image_id'][int(row)].as_py()}. Correct them or leave them empty."
                )
        found = np.where(known[:, None], values, 0.0).astype(np.float32)
        return Target(torch.from_numpy(found), torch.from_numpy(known))

    def move(self, values: Tensor, moves: Moves) -> Tensor:
        """Return the numbers of flipped and rotated images."""
        flips = moves.flips[:, None]
        negated = [column in self.config.negate_on_flip for column in self.columns]
        moved = torch.where(flips & torch.tensor(negated, device=values.device), -values, values)
        if not self._has_pose:
            return moved
        pose = move_pose(values[:, -len(POSE_COLUMNS) :], moves)
        own = [
            pose[:, POSE_COLUMNS.index(column)] if column in POSE_COLUMNS else moved[:, place]
            for place, column in enumerate(self.numbers)
        ]
        return torch.cat([torch.stack(own, dim=1), pose], dim=1)

    def build_head(self, embedding_dim: int) -> nn.Module:
        """Return a linear layer from embeddings (B, D) to numbers (B, K)."""
        return NumberHead(embedding_dim, len(self.numbers))

    def build_loss(self, target: Target | None = None) -> TaskLoss:
        """Return the loss of the scaled numbers."""
        config = self.config.loss
        errors = _Discordance() if config.kind == "ccc" else MaskedErrors(build_error_penalty(config))
        return _Scaled(errors, len(self.numbers), self._center, self._scale)

    def build_metric(self) -> TaskMetric:
        """Return errors and concordance in the units of the columns."""
        return _RegressionMetrics(self)

    @property
    def scores(self) -> Sequence[Score]:
        """Concordance first if the loss is `ccc`, else the mean absolute error."""
        concordance = Score("ccc", "CCC", minimised=False, is_share=False, digits=3)
        errors = (
            Score("mae", "MAE", minimised=True, is_share=False, digits=None),
            Score("rmse", "RMSE", minimised=True, is_share=False, digits=None),
        )
        return (concordance, *errors) if self.config.loss.kind == "ccc" else (*errors, concordance)

    @property
    def part_scores(self) -> Sequence[Score]:
        """Those of each column if there are several, and the loss."""
        columns = self.numbers if len(self.numbers) > 1 else ()
        of_columns = (
            replace(score, metric=f"{score.metric}_{column}", label=f"{score.label} of {column}")
            for score in self.scores
            for column in columns
            if score.metric != "rmse"
        )
        return (*of_columns, Score("loss", "loss", minimised=True, is_share=False, digits=None))

    def intervals(self, results: Mapping[str, Any]) -> dict[str, Interval]:
        """Return Student's interval of the mean absolute error."""
        mae, deviation, images = (results[name] for name in ("mae", "mae_deviation", "images"))
        return {"mae": student_interval(mae, deviation, int(images))} if images > 1 else {}

    def numbers_of(self, output: Tensor) -> Tensor:
        """Return the numbers in their own units, within `range`, float32 of shape (B, K)."""
        numbers = output.float() * self._scale + self._center
        return numbers.clamp(*self.config.range) if self.config.range else numbers

    def outputs(self, output: Tensor) -> dict[str, Tensor]:
        """Return the numbers, of shape (B, K), under the task's name."""
        return {self.name: self.numbers_of(output)}

    def mirror_output(self, output: Tensor) -> Tensor:
        """Return the scaled numbers of mirrored images, in which some columns change their sign."""
        negated = [column in self._negated for column in self.numbers]
        # A number y is o * scale + center, and -y therefore (-o - 2 center / scale) * scale + center.
        opposite = -output - 2 * self._center / self._scale
        return torch.where(torch.tensor(negated, device=output.device), opposite, output)

    def face_fields(self) -> list[pa.Field]:
        """Return a column of the numbers by their names."""
        return [pa.field(self.name, pa.struct([(name, pa.float32()) for name in self.numbers]))]

    def as_row(self, values: Values) -> dict[str, Any]:
        """Return the numbers by their names."""
        return {self.name: dict(zip(self.numbers, values[self.name].tolist(), strict=True))}

    def as_plain(self, values: Values) -> dict[str, Any]:
        """Return the numbers by their names."""
        return {self.name: rounded_by_name(self.numbers, values[self.name])}

    def caption(self, values: Values) -> str:
        """Return the numbers with their names."""
        numbers = zip(self.numbers, values[self.name].tolist(), strict=True)
        return ", ".join(f"{name}\N{NO-BREAK SPACE}{number:.3g}" for name, number in numbers)

    def compare(
        self, first: Values, second: Values, target: Target, confidence: float = 0.95
    ) -> list[PairedMetric]:
        """Compare the mean absolute errors."""
        known = target.known.numpy()
        if not known.any():
            return []
        expected = target.values.numpy()[known, : len(self.numbers)].astype(np.float64)
        one, other = (np.abs(values[self.name][known] - expected).mean(axis=1) for values in (first, second))
        return [compare_means("mae", f"{self.name} MAE", one, other, confidence=confidence)]

    def contract(self) -> dict[str, Any]:
        """Return the names of the columns."""
        return {"columns": list(self.numbers)}

    def prediction_columns(self, output: Tensor, target: Target) -> dict[str, pa.Array]:
        """Return true and predicted numbers in their own units, as lists of K."""
        truth = list_column(target.values[:, : len(self.numbers)], target.known)
        return {output_name(self.name, "label"): truth, self.name: list_column(self.numbers_of(output))}

    def chapter(self) -> "RegressionChapter":
        """Return what reports and the terminal show of the task."""
        from faceml.tasks.chapters.regression import RegressionChapter  # slow to import: charts

        return RegressionChapter(self, self.numbers)


class _Scaled(TaskLoss):
    """Loss of numbers after (x - center) / scale, for the first columns of the target."""

    def __init__(self, loss: TaskLoss, num_numbers: int, center: float, scale: float) -> None:
        super().__init__()
        self.loss = loss
        self.num_numbers = num_numbers
        self.center = center
        self.scale = scale

    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch; see `TaskLoss`."""
        scaled = (target.values[:, : self.num_numbers] - self.center) / self.scale
        loss: Tensor = self.loss(output, Target(scaled, target.known), count)
        return loss


class _Discordance(TaskLoss):
    """1 - CCC, mean over the columns, with moments over the images of all workers, which all compute it."""

    def forward(self, output: Tensor, target: Target, count: Tensor) -> Tensor:
        """Return the loss of a batch; see `TaskLoss`. Without any target it is 0."""
        known = target.known[:, None]
        # float64: the differences of moments would lose the precision of float32.
        x, y = (torch.where(known, values.double(), 0.0) for values in (output, target.values))
        sums = torch.stack([x, y, x.square(), y.square(), x * y]).sum(dim=1)
        if distributed.is_initialized():
            # The gradient of a sum over workers reaches each of them; averaged, it is that of one worker.
            sums = all_reduce(sums) / distributed.get_world_size()  # type: ignore[no-untyped-call]
        moments = sums / torch.where(count > 0, count, 1)
        return torch.where(count > 0, (1 - concordance(moments)).mean(), 0.0).float()


class _RegressionMetrics(TaskMetric):
    """Errors and concordance of the predicted numbers, over all columns and of each.

    * `mae`, `rmse`, `ccc`: mean absolute error, root mean squared error and concordance, each from its mean
      over the columns.
    * `mae_deviation`: standard deviation over the images of their mean absolute error.
    * `images`: number of images with a target.
    * `mae_<column>`, `ccc_<column>`: those of a column, if there are several.
    * `loss`: mean loss of the scaled numbers; for `ccc` 1 - CCC over all images.

    Args:
        task: The task.
    """

    def __init__(self, task: RegressionTask) -> None:
        # Imported here, because importing torchmetrics takes seconds.
        from torchmetrics import MeanMetric

        from faceml.metrics import NumberAgreement

        super().__init__()
        self._task = task
        self.agreement = NumberAgreement(len(task.numbers))
        self.loss = MeanMetric(nan_strategy="ignore")  # NaN if all are, as of a diverged network
        self.mean_loss = None if task.config.loss.kind == "ccc" else task.build_loss()

    def update(self, output: Tensor, target: Target) -> None:
        """Add a batch of numbers."""
        known = target.known
        predicted = self._task.numbers_of(output[known])
        self.agreement.update(predicted, target.values[known][:, : predicted.shape[1]])
        if self.mean_loss is not None:
            count = self._task.count(target)
            self.loss.update(self.mean_loss(output, target, count), weight=count)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        errors = self.agreement.compute()
        ccc = torch.where(errors.images > 0, concordance(errors.moments), torch.nan)
        absolute, squared = errors.absolute.reshape(-1), errors.squared.reshape(-1)  # of one number: scalars
        each = {
            f"{metric}_{number}": value
            for metric, values in (("mae", absolute), ("ccc", ccc))
            for number, value in zip(self._task.numbers, values, strict=True)
        }
        return {
            "mae": absolute.mean(),
            "rmse": squared.mean().sqrt(),
            "ccc": ccc.mean(),
            "loss": 1 - ccc.mean() if self.mean_loss is None else self.loss.compute(),
            "mae_deviation": errors.deviation,
            "images": errors.images,
            **(each if len(self._task.numbers) > 1 else {}),
        }
