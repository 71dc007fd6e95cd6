"""Evaluation of a multitask network on a validation split."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torchmetrics import MeanMetric

from faceml.datasets import FaceSample, Preprocessing
from faceml.losses import expression_cross_entropy
from faceml.metrics import ConfusionMatrix, LandmarkAgreement, expression_metrics
from faceml.models import FaceOutputs, MultitaskFaceModel
from faceml.tables import LandmarkSet
from faceml.training.observer import Metrics


class EvaluationResult(NamedTuple):
    """Metrics by name, and the confusion matrix of expressions."""

    metrics: Metrics
    confusion: ConfusionMatrix


class Evaluation:
    """Evaluate a network; with several workers each evaluates its share, and all get the whole result.

    Args:
        preprocessing: The training's preprocessing.
        landmark_set: The landmarks that the network predicts.
        num_expressions: Number of classes.
        device: Device of the network.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        landmark_set: LandmarkSet,
        num_expressions: int,
        device: torch.device,
    ) -> None:
        self._preprocessing = preprocessing
        self._device = device
        self._expression = expression_metrics(num_expressions).to(device)
        self._landmarks = LandmarkAgreement(landmark_set).to(device)
        self._loss = MeanMetric().to(device)

    @torch.no_grad()
    def __call__(
        self,
        model: MultitaskFaceModel,
        batches: Iterable[FaceSample],
        on_batch: Callable[[FaceSample, FaceOutputs], None] | None = None,
    ) -> EvaluationResult:
        """Return accuracy, macro-F1 and loss of expressions, MSE and NME of landmarks by name.

        The network is left in evaluation mode.

        Args:
            model: The network.
            batches: This worker's batches.
            on_batch: Called with each batch, on the device, and the network's outputs.
        """
        model.eval()
        for batch in batches:
            faces = batch.to(self._device)
            outputs: FaceOutputs = model(self._preprocessing.normalize(faces.image))
            if on_batch is not None:
                on_batch(faces, outputs)
            self._expression.update(outputs.logits, faces.label)
            self._landmarks.update(outputs.landmarks, faces.landmarks, faces.has_landmarks)
            self._loss.update(expression_cross_entropy(outputs.logits, faces.label), weight=len(faces.label))
        values = (
            self._expression.compute() | self._landmarks.compute() | {"loss_expression": self._loss.compute()}
        )
        for metric in (self._expression, self._landmarks, self._loss):
            metric.reset()
        confusion = ConfusionMatrix(values.pop("confusion_matrix").cpu().numpy())
        return EvaluationResult({name: float(value) for name, value in values.items()}, confusion)
