"""Angular margin losses of face recognition: ArcFace, CosFace and AdaFace.

Each turns the cosines between embeddings and class centres into softmax logits and reduces the logit of the
true person by a margin, which enforces smaller angles within and larger angles between people.

Shape letters: B images of a batch, C people, D embedding dimensions.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from faceml.config import MarginConfig

# Largest float32 below 1: the derivative of the angle, 1 / sin θ, is infinite at ±1.
LARGEST_COSINE = 1.0 - 2.0**-23


class AngularMargin(nn.Module, ABC):
    """Compute logits from cosines, in float32 also under autocast.

    Args:
        scale: s, factor of all cosines.
        margin: m.

    Attributes:
        share: Share of the margin that is applied, from 0 to 1; increased during warm-up.
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
            labels: int64 of shape (B,), person of each image.
            norms: Of shape (B,), norms of the embeddings.
        """
        cosines = cosines.float().clamp(-LARGEST_COSINE, LARGEST_COSINE)
        own = cosines.gather(1, labels[:, None])
        reduced = self.with_margin(own[:, 0], norms.float(), self.share * self.margin)
        return self.scale * cosines.scatter(1, labels[:, None], reduced[:, None])

    @abstractmethod
    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Apply the margin to the cosine to the true person's centre.

        Args:
            cosine: float32 of shape (B,).
            norms: float32 of shape (B,), norms of the embeddings.
            margin: Margin that is applied.

        Returns:
            float32 of shape (B,).
        """


class ArcFace(AngularMargin):
    """Additive angular margin, cos(θ + m) (Deng et al. 2019, "ArcFace", eq. 3).

    For θ > π - m, where cos(θ + m) would increase, it continues as cos θ - m·sin m, as in the authors'
    implementation. The easy margin applies to angles below π/2 only.

    Args:
        scale: s.
        margin: m, radians.
        easy_margin: Whether to apply the margin to positive cosines only.
    """

    def __init__(self, scale: float = 64.0, margin: float = 0.5, *, easy_margin: bool = False) -> None:
        super().__init__(scale, margin)
        self.easy_margin = easy_margin

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos(θ + m), or its continuation."""
        moved = cos_of_sum(cosine, margin)
        if self.easy_margin:
            return torch.where(cosine > 0, moved, cosine)
        return torch.where(cosine > math.cos(math.pi - margin), moved, cosine - margin * math.sin(margin))


class CosFace(AngularMargin):
    """Additive cosine margin, cos θ - m (Wang et al. 2018, "CosFace", eq. 4)."""

    def __init__(self, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__(scale, margin)

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos θ - m."""
        return cosine - margin


class AdaFace(AngularMargin):
    """Quality-adaptive margin, cos(θ - m·q) - (m·q + m) (Kim et al. 2022, "AdaFace", eq. 12 to 14).

    The image quality q is the norm of the embedding, standardised by mean and standard deviation over recent
    batches, times h, clipped to ±1. Hard samples are emphasised for high, easy ones for low quality.

    Args:
        scale: s.
        margin: m.
        concentration: h.
        decay: Decay α of the moving averages over batches.
    """

    mean_norm: Tensor
    std_norm: Tensor

    def __init__(
        self, scale: float = 64.0, margin: float = 0.4, concentration: float = 0.333, decay: float = 0.99
    ) -> None:
        super().__init__(scale, margin)
        self.concentration = concentration
        self.decay = decay
        # Initial values of the authors' implementation.
        self.register_buffer("mean_norm", torch.tensor(20.0))
        self.register_buffer("std_norm", torch.tensor(100.0))

    def with_margin(self, cosine: Tensor, norms: Tensor, margin: float) -> Tensor:
        """Return cos(θ - m·q) - (m·q + m)."""
        norms = norms.detach().clamp(0.001, 100.0)
        if self.training:
            self._update_averages(norms)
        quality = self.concentration * (norms - self.mean_norm) / (self.std_norm + 0.001)
        quality = quality.clamp(-1.0, 1.0)
        # Clipped to (0, π) as in the authors' implementation.
        angle = (cosine.acos() - margin * quality).clamp(0.001, math.pi - 0.001)
        return angle.cos() - (margin * quality + margin)

    @torch.no_grad()
    def _update_averages(self, norms: Tensor) -> None:
        self.mean_norm.lerp_(norms.mean(), 1.0 - self.decay)
        self.std_norm.lerp_(norms.std(), 1.0 - self.decay)


def cos_of_sum(cosine: Tensor, margin: float) -> Tensor:
    """Return cos(θ + m) from cos θ, of any shape; cosines within ±LARGEST_COSINE have a finite gradient."""
    sine = (1.0 - cosine.square()).sqrt()
    return cosine * math.cos(margin) - sine * math.sin(margin)


def build_angular_margin(config: MarginConfig) -> AngularMargin:
    """Build the angular margin that a configuration names."""
    kinds: dict[str, Callable[..., AngularMargin]] = {
        "arcface": ArcFace,
        "cosface": CosFace,
        "adaface": AdaFace,
    }
    return kinds[config.kind](**config.model_dump(exclude={"kind"}))
