"""Objective of face recognition: classification of people with an angular margin.

Shape letters: B images of a batch, C people, D embedding dimensions.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from faceml.datasets import IDENTITY, FaceSample, Preprocessing
from faceml.losses import AngularMargin, FixedWeighting
from faceml.models import FaceResNet, IdentityHead
from faceml.training.objective import Objective, ObjectiveOutput, TargetCounts


class RecognitionOutputs(NamedTuple):
    """Outputs of the network for a batch of faces.

    Attributes:
        embedding: float32 of shape (B, D).
        cosines: Cosines to the centre of each person, float32 of shape (B, C).
        labels: True people, int64 of shape (B,).
    """

    embedding: Tensor
    cosines: Tensor
    labels: Tensor


class RecognitionObjective(Objective[FaceResNet]):
    """Cross-entropy over all people of the training split, with an angular margin for the true person.

    Args:
        model: The network.
        head: The centres of the people.
        margin: The angular margin.
        preprocessing: Normalises the images on the network's device.
        margin_warmup_epochs: Epochs over which the margin grows linearly from 0.
    """

    tasks = (IDENTITY,)

    def __init__(
        self,
        model: FaceResNet,
        head: IdentityHead,
        margin: AngularMargin,
        preprocessing: Preprocessing,
        margin_warmup_epochs: int = 0,
    ) -> None:
        from torchmetrics import MeanMetric  # slow to import; only workers need it

        super().__init__(model, FixedWeighting({IDENTITY: 1.0}))
        self.head = head
        self.margin = margin
        self.preprocessing = preprocessing
        self.margin_warmup_epochs = margin_warmup_epochs
        # No buffers, which DDP replaces by those of the first worker; a check for NaN would wait for the GPU.
        self.accuracy = MeanMetric(nan_strategy="disable")

    def on_epoch_start(self, epoch: int) -> None:
        """Set the share of the margin: 0 in the first epoch of a warm-up, 1 after the last."""
        warmup = self.margin_warmup_epochs
        self.margin.share = min(1.0, (epoch - 1) / warmup) if warmup else 1.0
        self.accuracy.reset()

    def epoch_metrics(self) -> dict[str, Tensor]:
        """Return the training accuracy, the share of images nearest to their person's centre."""
        return {"train/accuracy": self.accuracy.compute()}

    def forward(self, batch: FaceSample, counts: TargetCounts | None = None) -> ObjectiveOutput:
        """Return the loss of a batch; see `Objective.forward`."""
        labels = batch.targets[IDENTITY].values
        embedding = self.model(self.preprocessing.normalize(batch.image))
        cosines, norms = self.head(embedding)
        if self.training:
            self.accuracy.update((cosines.detach().argmax(dim=1) == labels).float())
        losses = {IDENTITY: functional.cross_entropy(self.margin(cosines, labels, norms), labels)}
        return ObjectiveOutput(self.weighting(losses), losses, RecognitionOutputs(embedding, cosines, labels))

    @torch.no_grad()
    def compute_diagnostics(self, output: ObjectiveOutput) -> dict[str, float]:
        """Return metrics by which a training that fails to learn can be recognised.

        They are the mean cosine to the true person's centre and to other centres, the standard deviation of
        an image's cosines, and the number of images of a person in a batch.
        """
        found: RecognitionOutputs = output.outputs
        own = found.cosines.gather(1, found.labels[:, None])[:, 0]
        others = (found.cosines.sum() - own.sum()) / max(1, found.cosines.numel() - len(own))
        figures = {
            "train/cosine_own": own.mean(),
            "train/cosine_others": others,
            "train/cosine_deviation": found.cosines.std(dim=1).mean(),
        }
        images_per_person = len(found.labels) / len(set(found.labels.tolist()))
        shown = {name: float(value) for name, value in figures.items()}
        return shown | {"train/images_per_person": images_per_person}
