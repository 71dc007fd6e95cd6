"""Measuring a network of recognition on people it does not learn from.

Shape letters: N images, D embedding dimensions.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from faceml.datasets import FaceSample, PersonDataset, Preprocessing, VerificationPairs
from faceml.metrics import (
    ScoredPairs,
    bootstrap_interval,
    equal_error_rate,
    identification_rates,
    roc_curve,
    true_accepts_at,
    verification_accuracy,
    weights_of_resampled_people,
)
from faceml.models import FaceResNet
from faceml.training.observer import Metrics

FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
RANKS = (1, 5)


class VerificationResult(NamedTuple):
    """Figures by name."""

    metrics: Metrics
    confusion: None = None


class Verification:
    """Verify pairs, and identify images by a gallery of one image of each person.

    With several workers each embeds its share of the images, and all get the result of the whole.

    Args:
        pairs: Of images of the split.
        people: Of all N images, int64 of shape (N,).
        preprocessing: As in training.
        device: Where the network is.
    """

    def __init__(
        self,
        pairs: VerificationPairs,
        people: npt.NDArray[np.int64],
        preprocessing: Preprocessing,
        device: torch.device,
    ) -> None:
        self._pairs = pairs
        self._people = people
        self._preprocessing = preprocessing
        self._device = device

    def __call__(self, model: FaceResNet, batches: Iterable[FaceSample]) -> VerificationResult:
        """Return the figures of `verification_metrics` and `identification`.

        The network is in evaluation mode afterwards.
        """
        embeddings = self.embed(model, batches)
        scored = score_pairs(embeddings, self._pairs, self._people)
        return VerificationResult(verification_metrics(scored) | identification(embeddings, self._people))

    @torch.no_grad()
    def embed(self, model: FaceResNet, batches: Iterable[FaceSample]) -> npt.NDArray[np.float64]:
        """Return the directions of all images' embeddings, float64 of shape (N, D), of length 1.

        An image's embedding is the sum of its own and its mirror image's (flip test).

        Args:
            model: The network.
            batches: This worker's, of the whole split.
        """
        model.eval()
        embeddings: Tensor | None = None
        for batch in batches:
            faces = batch.to(self._device)
            images = self._preprocessing.normalize(faces.image)
            both = (model(images) + model(images.flip(-1))).float()
            if embeddings is None:
                embeddings = torch.zeros(len(self._people), both.shape[1], device=self._device)
            embeddings[faces.position] = functional.normalize(both)
        assert embeddings is not None, "a split has images for every worker"
        if dist.is_initialized():
            dist.all_reduce(embeddings)  # rows of other workers are 0 here
        return embeddings.double().cpu().numpy()


def score_split(
    model: FaceResNet,
    faces: PersonDataset,
    pairs: VerificationPairs,
    batch_size: int,
    device: torch.device,
) -> ScoredPairs:
    """Score the pairs of a split in this process.

    Args:
        model: On the device.
        faces: The split.
        pairs: Of its images.
        batch_size: Images at once.
        device: Where the network is.
    """
    people = faces.labels.numpy()
    batches: DataLoader[FaceSample] = DataLoader(faces, batch_size)
    embeddings = Verification(pairs, people, faces.preprocessing, device).embed(model, batches)
    return score_pairs(embeddings, pairs, people)


def score_pairs(
    embeddings: npt.NDArray[np.float64], pairs: VerificationPairs, people: npt.NDArray[np.int64]
) -> ScoredPairs:
    """Return the cosine of each pair."""
    first, second = pairs.images.T
    scores = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    return ScoredPairs(scores, pairs.same, pairs.folds, people[pairs.images])


def verification_metrics(pairs: ScoredPairs) -> Metrics:
    """Return accuracy, equal error rate and TAR at FAR by name; NaN where there are too few pairs."""
    curve, of_two = roc_curve(pairs), int((~pairs.same).sum())
    at = {rate: true_accepts_at(curve, rate, of_two) for rate in FALSE_ACCEPT_RATES}
    return {
        "accuracy": verification_accuracy(pairs),
        "equal_error_rate": equal_error_rate(curve),
        **{
            f"tar_at_far_{rate:.0e}".replace("e-0", "e-"): float("nan") if found is None else found
            for rate, found in at.items()
        },
    }


def accuracy_interval(
    pairs: ScoredPairs, rounds: int = 500, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of the verification accuracy, from a bootstrap over people, within 0 and 1."""
    rng = np.random.default_rng(seed)
    drawn = [verification_accuracy(pairs, weights_of_resampled_people(pairs, rng)) for _ in range(rounds)]
    low, high = bootstrap_interval(verification_accuracy(pairs), np.array(drawn), confidence)
    return max(0.0, low), min(1.0, high)


def identification(embeddings: npt.NDArray[np.float64], people: npt.NDArray[np.int64]) -> Metrics:
    """Identify all images by a gallery of the first one of each person with several; by name.

    Returns:
        `top_1` and `top_5`, shares of the probes; the people of the gallery are those of the split.
    """
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    gallery = first[counts > 1]
    probes = np.setdiff1d(np.flatnonzero(np.isin(people, names[counts > 1])), gallery)
    rates = identification_rates(
        embeddings[gallery], people[gallery], embeddings[probes], people[probes], RANKS
    )
    return {f"top_{rank}": rate for rank, rate in rates.items()}
