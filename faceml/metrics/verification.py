"""Verification and identification metrics of face recognition.

Shape letters: N pairs, C thresholds, F folds.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class ScoredPairs(NamedTuple):
    """Pairs of images with their similarity scores.

    Attributes:
        scores: float64 of shape (N,), larger for more similar images.
        same: bool of shape (N,), whether both images show the same person.
        folds: int64 of shape (N,), from 0; the threshold of a fold is chosen on the other folds.
        people: int64 of shape (N, 2), person on each image. If people are not known, another number for each
            pair, twice.
    """

    scores: Floats
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64]

    @property
    def num_people(self) -> int | None:
        """Number of people; None if they are not known."""
        known = agree_with_people(self.same, self.people)
        return len(np.unique(self.people)) if known else None


def agree_with_people(same: npt.NDArray[np.bool_], people: npt.NDArray[np.int64]) -> bool:
    """Return whether exactly the genuine pairs have one person on both images.

    Args:
        same: Whether a pair is genuine, bool of shape (N,).
        people: Assumed person on each image, int64 of shape (N, 2).
    """
    return bool(np.array_equal(people[:, 0] == people[:, 1], same))


class Curve(NamedTuple):
    """Receiver operating characteristic (ROC).

    Attributes:
        thresholds: float64 of shape (C,), decreasing from accepting no pair to accepting all.
        false_accepts: False accept rate (FAR) at each threshold, of shape (C,).
        true_accepts: True accept rate (TAR) at each threshold, of shape (C,).
    """

    thresholds: Floats
    false_accepts: Floats
    true_accepts: Floats


def roc_curve(pairs: ScoredPairs, weights: Floats | None = None) -> Curve:
    """Compute the ROC curve, with a threshold between every two distinct scores.

    Args:
        pairs: Pairs of the same person and of different people, at least one of each.
        weights: Weights of the pairs, of shape (N,); equal by default.
    """
    weights = _weights(pairs, weights)
    order = np.argsort(-pairs.scores, kind="stable")
    scores, same, counted = pairs.scores[order], pairs.same[order], weights[order]
    last_of_score = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    between = (scores[last_of_score[:-1]] + scores[last_of_score[:-1] + 1]) / 2
    thresholds = np.concatenate([[np.inf], between, [-np.inf]])
    same_above, different_above = (
        np.append(0.0, np.cumsum(np.where(which, counted, 0.0))[last_of_score]) for which in (same, ~same)
    )
    return Curve(thresholds, different_above / different_above[-1], same_above / same_above[-1])


class FoldResults(NamedTuple):
    """Cross-validated decisions on pairs: each fold at the best threshold of the others.

    Attributes:
        accuracies: Accuracy of each of F folds, float64 of shape (F,).
        thresholds: Score from which each fold accepts a pair, float64 of shape (F,).
        accepted: Whether a pair is accepted as one of the same person, bool of shape (N,).
    """

    accuracies: Floats
    thresholds: Floats
    accepted: npt.NDArray[np.bool_]


def verification_accuracy(pairs: ScoredPairs, weights: Floats | None = None) -> float:
    """Compute the verification accuracy by cross-validation: each fold at the best threshold of the others.

    The 10-fold protocol of LFW (Labeled Faces in the Wild, Huang et al. 2007, section 4); for folds of equal
    size it is the mean over the folds.

    Args:
        pairs: Pairs in at least two folds.
        weights: Weights of the pairs, of shape (N,); equal by default.
    """
    weights = _weights(pairs, weights)
    of_fold, _ = _gains(pairs, weights)
    gained = np.take_along_axis(of_fold, _best_of_others(of_fold)[:, None], axis=1).sum()
    return float((gained + weights[~pairs.same].sum()) / weights.sum())


def judge_folds(pairs: ScoredPairs) -> FoldResults:
    """Decide on the pairs of each fold at the best threshold of the others, as `verification_accuracy` does.

    Args:
        pairs: Pairs in at least two folds.
    """
    of_fold, cuts = _gains(pairs, np.ones(len(pairs.scores)))
    falling = -np.sort(-pairs.scores)
    # Between the last accepted and the first rejected score; accepting no pair or all has no such middle.
    bounds = np.concatenate([[np.inf], falling, [-np.inf]])
    chosen = cuts[_best_of_others(of_fold)]
    thresholds = (bounds[chosen] + bounds[chosen + 1]) / 2
    folds, fold = np.unique(pairs.folds, return_inverse=True)
    accepted = pairs.scores >= bounds[chosen][fold]  # a middle may be rounded to the rejected score
    right = accepted == pairs.same
    accuracies = np.array([right[fold == number].mean() for number in range(len(folds))])
    return FoldResults(accuracies, thresholds, accepted)


def _gains(pairs: ScoredPairs, weights: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return what each fold gains by accepting the pairs above each cut, of shape (F, C), and the cuts.

    Accepting a pair of the same person gains its weight, accepting a pair of different people loses it. A
    cut is the number of accepted pairs; there is none between pairs with the same score.
    """
    order = np.argsort(-pairs.scores, kind="stable")
    cuts = np.append(0, np.append(np.flatnonzero(np.diff(pairs.scores[order])), len(order) - 1) + 1)
    gains = np.where(pairs.same, weights, -weights)[order]
    inside = pairs.folds[order] == np.unique(pairs.folds)[:, None]
    return np.column_stack([np.zeros(len(inside)), np.cumsum(gains * inside, axis=1)])[:, cuts], cuts


def _best_of_others(of_fold: Floats) -> npt.NDArray[np.int64]:
    """Return the position of the best cut of the other folds for each fold, of shape (F,)."""
    best: npt.NDArray[np.int64] = np.argmax(of_fold.sum(axis=0) - of_fold, axis=1)
    return best


def area_under_curve(curve: Curve) -> float:
    """Return the area under a ROC curve (AUC).

    It is the probability that a genuine pair scores higher than an impostor pair; ties count half.
    """
    return float(np.trapezoid(curve.true_accepts, curve.false_accepts))


def true_accepts_at(curve: Curve, false_accept_rate: float, different_pairs: int) -> float | None:
    """Return the true accept rate (TAR) at a given false accept rate (FAR).

    Args:
        curve: ROC curve of the pairs.
        false_accept_rate: Upper bound of FAR, such as 1e-3.
        different_pairs: Number of pairs of different people.

    Returns:
        TAR; None for fewer than 10 / FAR pairs, where FAR would rest on less than ten pairs.
    """
    if different_pairs < LEAST_ACCEPTED / false_accept_rate:
        return None
    return float(curve.true_accepts[curve.false_accepts <= false_accept_rate][-1])


LEAST_ACCEPTED = 10
"""Smallest number of falsely accepted pairs that FAR is measured on."""


def equal_error_rate(curve: Curve) -> float:
    """Return the equal error rate (EER), where false accept and false reject rates are equal.

    It is interpolated linearly between the two thresholds around the crossing.
    """
    difference = curve.false_accepts - (1.0 - curve.true_accepts)  # non-decreasing, from -1 to 1
    after = int(np.argmax(difference >= 0))
    before = after - 1
    share = -difference[before] / (difference[after] - difference[before])
    return float(curve.false_accepts[before] + share * np.diff(curve.false_accepts[before : after + 1])[0])


def identification_rates(
    gallery: Floats,
    gallery_people: npt.NDArray[np.int64],
    probes: Floats,
    probe_people: npt.NDArray[np.int64],
    ranks: tuple[int, ...] = (1, 5),
) -> dict[int, float]:
    """Return rank-k identification rates: share of probes whose person is among the k most similar.

    Args:
        gallery: Normalised embeddings of shape (G, D), one for each person.
        gallery_people: Their people, of shape (G,).
        probes: Normalised embeddings of shape (M, D).
        probe_people: Their people, of shape (M,), all of them in the gallery.
        ranks: Values of k.

    Returns:
        Share of the probes for each k.
    """
    scores = probes @ gallery.T
    own = scores[probe_people[:, None] == gallery_people[None]]
    # Ties count as errors: a network whose scores are constant or NaN identifies nobody.
    better = (~(scores < own[:, None])).sum(axis=1) - 1
    return {rank: float((better < rank).mean()) for rank in ranks}


def weights_of_resampled_people(pairs: ScoredPairs, rng: np.random.Generator) -> Floats:
    """Resample people with replacement and return the resulting weights of the pairs, of shape (N,).

    Pairs that share a person are not independent, so resampling pairs would give too narrow intervals (subset
    bootstrap, Bolle, Ratha & Pankanti 2004, "Error analysis of pattern recognition systems"). The weight of a
    pair of different people is the product of the numbers of times that both were drawn. If people are not
    known, pairs are resampled as if they were independent.
    """
    people, index = np.unique(pairs.people, return_inverse=True)
    drawn = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
    first, second = drawn[index.reshape(pairs.people.shape)].T
    is_one = pairs.people[:, 0] == pairs.people[:, 1]
    weights: Floats = np.where(is_one, first, first * second).astype(np.float64)
    return weights


def bootstrap_interval(value: float, samples: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return the standard normal bootstrap interval (Efron & Tibshirani 1993, chapter 12.5).

    Value ± z times the standard deviation of the bootstrap samples. Percentiles would be biased: repeated
    people make thresholds worse, and resampled accuracies lower on average than the value.

    Args:
        value: The estimate.
        samples: Bootstrap samples of the estimate.
        confidence: Confidence level, in (0, 1).
    """
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * float(np.std(samples, ddof=1))
    return value - margin, value + margin


def _weights(pairs: ScoredPairs, weights: Floats | None) -> Floats:
    return np.ones(len(pairs.scores)) if weights is None else weights
