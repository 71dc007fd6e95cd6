"""Landmarks: points of MediaPipe's FaceMesh.

Shape letters: N rows, B faces of a batch, L landmarks, T landmarks of the target, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn

from faceml.config import LandmarksConfig
from faceml.datasets import Moves, Target, mirror_landmarks, move_landmarks, seen_landmarks
from faceml.losses import build_error_penalty
from faceml.metrics import PairedMetric, Score, compare_means, normalized_errors
from faceml.models import LandmarkHead
from faceml.tables import LANDMARK_SETS, LandmarkSet, mesh_landmark_set, with_eyes
from faceml.tasks.masked_errors import MaskedErrors
from faceml.tasks.plain_numbers import rounded_by_name
from faceml.tasks.task import Task, TaskMetric, Values
from faceml.tasks.task_loss import TaskLoss

if TYPE_CHECKING:
    from faceml.tasks.chapters.landmarks import LandmarksChapter


class LandmarksTask(Task[LandmarksConfig]):
    """Predict x and y of L landmarks, divided by the image's width and height.

    Targets are the landmarks of MediaPipe, not manual annotations; rows without a detected face have none.
    Errors are measured in interocular distances: targets have the corners of the eyes after the L landmarks,
    unless the eyes are among these.
    """

    config_class = LandmarksConfig

    def __init__(self, name: str, config: LandmarksConfig) -> None:
        super().__init__(name, config)
        points = config.points
        self.landmark_set: LandmarkSet = (
            LANDMARK_SETS[points]
            if isinstance(points, int)
            else mesh_landmark_set(points, f"tasks.{name}.points")
        )
        self._target_set = with_eyes(self.landmark_set)

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the landmarks, and of the corners of the eyes if these are not among them."""
        return [*self.config.target_columns(), *self._target_set.names[len(self.landmark_set) :]]

    def read(self, rows: pa.Table, source: str) -> Target:
        """Return float32 of shape (N, T, 2), relative to the image or its cropped copy."""
        values = seen_landmarks(rows, self.columns)
        known = pc.is_valid(rows[self.columns[0]]).to_numpy()
        return Target(torch.from_numpy(values), torch.from_numpy(known))

    def move(self, values: Tensor, moves: Moves) -> Tensor:
        """Return landmarks of augmented images, which may leave [0, 1]."""
        return move_landmarks(values, moves, _on(values.device, self._target_set.flip_permutation))

    def build_head(self, embedding_dim: int) -> nn.Module:
        """Return a linear layer from embeddings (B, D) to coordinates (B, L, 2)."""
        return LandmarkHead(embedding_dim, len(self.landmark_set))

    def build_loss(self, target: Target | None = None) -> TaskLoss:
        """Return the mean loss of the coordinates of faces with landmarks."""
        return MaskedErrors(build_error_penalty(self.config.loss))

    def build_metric(self) -> TaskMetric:
        """Return mean squared error, normalised mean error (NME), and NME of each landmark."""
        return _LandmarkMetrics(self._target_set, len(self.landmark_set))

    @property
    def scores(self) -> Sequence[Score]:
        """NME and mean squared error."""
        return (
            Score("nme_interocular", "landmark NME", minimised=True, is_share=True, digits=2),
            Score("mse", "landmark MSE", minimised=True, is_share=False, digits=None),
        )

    @property
    def part_scores(self) -> Sequence[Score]:
        """NME of each landmark."""
        return tuple(
            Score(f"nme_{name}", f"NME of {name}", minimised=True, is_share=True, digits=2)
            for name in self.landmark_set.names
        )

    def outputs(self, output: Tensor) -> dict[str, Tensor]:
        """Return the landmarks, of shape (B, L, 2), under the task's name."""
        return {self.name: output.float()}

    def mirror_output(self, output: Tensor) -> Tensor:
        """Return the landmarks of mirrored images."""
        return mirror_landmarks(output, _on(output.device, self.landmark_set.flip_permutation))

    @property
    def points(self) -> Mapping[str, Sequence[int]]:
        """The landmarks."""
        return {self.name: self.landmark_set.flip_permutation}

    def as_plain(self, values: Values) -> dict[str, Any]:
        """Return the landmarks by name."""
        return {self.name: rounded_by_name(self.landmark_set.names, values[self.name])}

    def compare(
        self, first: Values, second: Values, target: Target, confidence: float = 0.95
    ) -> list[PairedMetric]:
        """Compare the normalised mean errors."""
        if not target.known.any():
            return []
        expected = target.values[target.known].double()
        one, other = (
            normalized_errors(
                torch.from_numpy(values[self.name])[target.known].double(), expected, self._target_set
            )
            .mean(dim=1)
            .numpy()
            for values in (first, second)
        )
        label = "landmark NME" if self.name == "landmarks" else f"{self.name} NME"
        return [compare_means("nme", label, one, other, is_share=True, confidence=confidence)]

    def contract(self) -> dict[str, Any]:
        """Return the names of the landmarks."""
        return {"points": list(self.landmark_set.names)}

    def chapter(self) -> "LandmarksChapter":
        """Return what reports and the terminal show of the task."""
        from faceml.tasks.chapters.landmarks import LandmarksChapter  # slow to import: charts

        return LandmarksChapter(self, self.landmark_set, self._target_set)


@cache
def _on(device: torch.device, indices: tuple[int, ...]) -> Tensor:
    """Return int64 of shape (L,), cached because a copy to a GPU waits for all of its queued work."""
    return torch.tensor(indices, device=device)


class _LandmarkMetrics(TaskMetric):
    def __init__(self, target_set: LandmarkSet, num_landmarks: int) -> None:
        from faceml.metrics import LandmarkAgreement  # slow to import: torchmetrics

        super().__init__()
        self.agreement = LandmarkAgreement(target_set, num_landmarks)

    def update(self, output: Tensor, target: Target) -> None:
        """Add a batch of landmarks."""
        self.agreement.update(output, target.values, target.known)

    def compute(self) -> dict[str, Tensor]:
        """Return `mse`, `nme_interocular`, and `nme_<name>` for each landmark."""
        return self.agreement.compute()
