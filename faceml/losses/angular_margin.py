"""Margins between people, in the angle of their embeddings.

Each makes the logits of a softmax from the cosines between embeddings and the class centres of all people;
the own person's is made smaller than it is, so that learning does not end where faces are barely told apart.

Shape letters: B images of a batch, C people, D embedding dimensions.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from faceml.config import MarginConfig

# In float32 the nearest numbers to ±1 between which the slope of the angle, 1 / sin θ, is finite.
LARGEST_COSINE = 1.0 - 2.0**-23


class AngularMargin(nn.Module, ABC):
    """Make logits from cosines, in float32 whatever the precision around it.

    Args:
        scale: s, what all cosines are multiplied by.
        margin: m.

    Attributes:
        share: Of the margin that is in force, from 0 to 1, for a warm-up.
    """

    def __init__(self, scale: float, margin: float) -> None:
        super().__init__()
        self.scale = scale
        self.margin = margin
        self.share = 1.0

    def forward(self, cosines: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        """Return logits, float32 of shape (B, C).

        Args:
            cosines: Of shape (B, C), between -1 and 1.
            labels: int64 of shape (B,), the person of each image.
            norms: Of shape (B,), the lengths of the embeddings.
        """
        cosines = cosines.float().clamp(-LARGEST_COSINE, LARGEST_COSINE)
        own = cosines.gather(1, labels[:, None])
        made_smaller = self.with_margin(own[:, 0], norms.float(), self.share * self.margin)
        return self.scale * cosines.scatter(1, labels[:, None], made_smaller[:, None])

    @abstractmethod
    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return what takes the place of the cosine to the own person's centre, of shape (B,)."""


class ArcFace(AngularMargin):
    """cos(θ + m) (Deng et al. 2019, "ArcFace", eq. 3), on the whole circle as the authors' implementation.

    Beyond θ = π - m the cosine would grow again: cos θ - m·sin m follows, which falls on. The easy margin
    leaves every cosine below 0 as it is instead.

    Args:
        scale: s.
        margin: m, radians.
        easy_margin: Whether faces on the wrong side are spared the margin.
    """

    def __init__(self, scale: float = 64.0, margin: float = 0.5, *, easy_margin: bool = False) -> None:
        super().__init__(scale, margin)
        self.easy_margin = easy_margin

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos(θ + m), or what follows it."""
        moved = cos_of_sum(cosine, margin)
        if self.easy_margin:
            return torch.where(cosine > 0, moved, cosine)
        return torch.where(cosine > math.cos(math.pi - margin), moved, cosine - margin * math.sin(margin))


class CosFace(AngularMargin):
    """cos θ - m (Wang et al. 2018, "CosFace", eq. 4)."""

    def __init__(self, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__(scale, margin)

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos θ - m."""
        return cosine - margin


class AdaFace(AngularMargin):
    """cos(θ - m·q) - (m·q + m), q being how good an image is (Kim et al. 2022, "AdaFace", eq. 12 to 14).

    q is the length of the image's embedding, in deviations from the mean over recent batches, times h, within
    ±1: good images are pushed hardest where they are hard, bad ones where they are easy.

    Args:
        scale: s.
        margin: m.
        concentration: h.
        decay: Of the average over batches, α.
    """

    mean_norm: Tensor
    std_norm: Tensor

    def __init__(
        self, scale: float = 64.0, margin: float = 0.4, concentration: float = 0.333, decay: float = 0.99
    ) -> None:
        super().__init__(scale, margin)
        self.concentration = concentration
        self.decay = decay
        # Where the authors' implementation begins.
        self.register_buffer("mean_norm", torch.tensor(20.0))
        self.register_buffer("std_norm", torch.tensor(100.0))

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos(θ - m·q) - (m·q + m)."""
        norms = norms.detach().clamp(0.001, 100.0)
        if self.training:
            self._follow(norms)
        quality = self.concentration * (norms - self.mean_norm) / (self.std_norm + 0.001)
        quality = quality.clamp(-1.0, 1.0)
        # The angle stays within the half circle, as the authors clip it.
        angle = (cosine.acos() - margin * quality).clamp(0.001, math.pi - 0.001)
        return angle.cos() - (margin * quality + margin)

    @torch.no_grad()
    def _follow(self, norms: Tensor) -> None:
        self.mean_norm.lerp_(norms.mean(), 1.0 - self.decay)
        self.std_norm.lerp_(norms.std(), 1.0 - self.decay)


def cos_of_sum(cosine: Tensor, margin: float) -> Tensor:
    """Return cos(θ + m) from cos θ, of any shape; the slope is finite for cosines within ±LARGEST_COSINE."""
    sine = (1.0 - cosine.square()).sqrt()
    return cosine * math.cos(margin) - sine * math.sin(margin)


def build_angular_margin(config: MarginConfig) -> AngularMargin:
    """Build the margin."""
    kinds: dict[str, Callable[..., AngularMargin]] = {
        "arcface": ArcFace,
        "cosface": CosFace,
        "adaface": AdaFace,
    }
    return kinds[config.kind](**config.model_dump(exclude={"kind"}))
