"""Evaluation of face recognition on people outside the training split, and tables of scored pairs.

Shape letters: N images, D embedding dimensions.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from faceml.datasets import FaceLoader, FaceSample, PersonDataset, Preprocessing, VerificationPairs
from faceml.metrics import (
    ScoredPairs,
    agree_with_people,
    bootstrap_interval,
    equal_error_rate,
    identification_rates,
    roc_curve,
    true_accepts_at,
    verification_accuracy,
    weights_of_resampled_people,
)
from faceml.models import FaceResNet
from faceml.storage import atomic_file
from faceml.training.observer import Evaluated, Metrics

FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
RANKS = (1, 5)
COLUMNS = ("image_id", "other_image_id", "is_same", "fold", "score", "person", "other_person")


class Verification:
    """Evaluate a network by verification of pairs and by identification.

    With several workers each embeds its share of the images, and all get the result of the whole split.

    Args:
        pairs: Pairs of images of the split.
        people: Person of each of the N images by its folder, int64 of shape (N,). If pairs contradict them,
            people are not known, and nobody is identified.
        preprocessing: The training's preprocessing.
        device: Device of the network.
        undetected: Images in which no face was found, bool of shape (N,), which are not identified; by
            default none.
    """

    def __init__(
        self,
        pairs: VerificationPairs,
        people: npt.NDArray[np.int64],
        preprocessing: Preprocessing,
        device: torch.device,
        undetected: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._identified = np.ones(len(people), bool) if undetected is None else ~undetected
        self._pairs = pairs
        self._people = people
        self._preprocessing = preprocessing
        self._device = device

    def __call__(self, model: FaceResNet, batches: Iterable[FaceSample]) -> Evaluated:
        """Return the metrics of `verification_metrics` and `identification`, and no confusion matrix.

        The network is left in evaluation mode.
        """
        embeddings = self.embed(model, batches)
        scored = score_pairs(embeddings, self._pairs, self._people)
        named = self._identified & (scored.num_people is not None)
        return verification_metrics(scored) | identification(embeddings[named], self._people[named]), {}

    @torch.no_grad()
    def embed(self, model: FaceResNet, batches: Iterable[FaceSample]) -> npt.NDArray[np.float64]:
        """Return the normalised embeddings of all images, float64 of shape (N, D).

        An image's embedding is the sum of its own and its mirror image's (flip test).

        Args:
            model: The network.
            batches: This worker's batches of the split.
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
            dist.all_reduce(embeddings)  # rows of other workers' images are 0
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
        model: The network, on the device.
        faces: The split.
        pairs: Pairs of its images.
        batch_size: Images per batch.
        device: Device of the network.
    """
    people = faces.labels.numpy()
    batches = FaceLoader(faces, batch_size)
    embeddings = Verification(pairs, people, faces.preprocessing, device).embed(model, batches)
    return score_pairs(embeddings, pairs, people)


def score_pairs(
    embeddings: npt.NDArray[np.float64], pairs: VerificationPairs, people: npt.NDArray[np.int64]
) -> ScoredPairs:
    """Score each pair by the cosine of its embeddings; pairs that count as wrong by the worst cosine.

    Args:
        embeddings: Normalised embeddings of shape (N, D).
        pairs: Pairs of these images.
        people: Person of each image by its folder, int64 of shape (N,). If the pairs contradict them, people
            are not known.
    """
    first, second = pairs.images.T
    cosines = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    scores = np.where(pairs.counted_wrong, np.where(pairs.same, -1.0, 1.0), cosines)
    shown = people[pairs.images]
    if not agree_with_people(pairs.same, shown):  # folders of sets that are shipped as pairs alone
        shown = np.arange(len(shown)).repeat(2).reshape(-1, 2)
    return ScoredPairs(scores, pairs.same, pairs.folds, shown)


def verification_metrics(pairs: ScoredPairs, weights: npt.NDArray[np.float64] | None = None) -> Metrics:
    """Return accuracy, equal error rate and TAR at FAR by name; NaN where there are too few pairs.

    Args:
        pairs: Scored pairs.
        weights: Weights of the pairs; equal by default.
    """
    curve, impostors = roc_curve(pairs, weights), int((~pairs.same).sum())
    at = {rate: true_accepts_at(curve, rate, impostors) for rate in FALSE_ACCEPT_RATES}
    return {
        "accuracy": verification_accuracy(pairs, weights),
        "equal_error_rate": equal_error_rate(curve),
        **{
            f"tar_at_far_{rate:.0e}".replace("e-0", "e-"): float("nan") if found is None else found
            for rate, found in at.items()
        },
    }


def verification_intervals(
    pairs: ScoredPairs, rounds: int = 500, confidence: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return confidence intervals of the verification metrics by a bootstrap over people, in [0, 1].

    Resamples that have no pair of the same person, or none of different people, are left out. A metric that
    is NaN has no interval.
    """
    rng = np.random.default_rng(seed)
    weights = [weights_of_resampled_people(pairs, rng) for _ in range(rounds)]
    drawn = [
        verification_metrics(pairs, drawn)
        for drawn in weights
        if drawn[pairs.same].any() and drawn[~pairs.same].any()
    ]
    found = {}
    for name, value in verification_metrics(pairs).items():
        if not np.isnan(value):
            samples = np.array([metrics[name] for metrics in drawn])
            low, high = bootstrap_interval(value, samples, confidence)
            found[name] = max(0.0, low), min(1.0, high)
    return found


def identification(embeddings: npt.NDArray[np.float64], people: npt.NDArray[np.int64]) -> Metrics:
    """Identify all images by a gallery of the first image of each person who has several.

    Returns:
        `top_1` and `top_5`, the shares of the probes identified at these ranks; NaN without probes.
    """
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    gallery = first[counts > 1]
    probes = np.setdiff1d(np.flatnonzero(np.isin(people, names[counts > 1])), gallery)
    if not len(probes):
        return {f"top_{rank}": float("nan") for rank in RANKS}
    rates = identification_rates(
        embeddings[gallery], people[gallery], embeddings[probes], people[probes], RANKS
    )
    return {f"top_{rank}": rate for rank, rate in rates.items()}


def write_pairs(scored: ScoredPairs, pairs: VerificationPairs, image_ids: Sequence[str], file: Path) -> None:
    """Write scored pairs as a Parquet table with the columns `COLUMNS`, a row for each pair."""
    first, second = ([image_ids[position] for position in side] for side in pairs.images.T.tolist())
    values = (first, second, scored.same, scored.folds, scored.scores, *scored.people.T)
    columns = dict(zip(COLUMNS, values, strict=True))
    with atomic_file(file) as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")


def read_pairs_table(file: Path | pa.BufferReader) -> ScoredPairs:
    """Read a table of `write_pairs`; people are numbered in the order of their names.

    Tables of earlier versions have no people; they are the folders of the images.
    """
    table = pq.read_table(file)
    *images, same, folds, scores = (table[column].to_numpy() for column in COLUMNS[:5])
    people = [
        table[person].to_numpy()
        if person in table.column_names
        else [name.partition("/")[0] for name in names]
        for person, names in zip(COLUMNS[5:], images, strict=True)
    ]
    _, numbers = np.unique(np.array(people), return_inverse=True)
    return ScoredPairs(scores, same, folds, numbers.reshape(2, -1).T.astype(np.int64))
