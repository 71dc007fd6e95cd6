"""How well embeddings tell whether two photographs show one person.

Shape letters: N pairs, C cuts between the scores of pairs.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class ScoredPairs(NamedTuple):
    """Pairs of photographs, and how alike a network finds them.

    Attributes:
        scores: float64 of shape (N,), the larger the more alike.
        same: bool of shape (N,), whether a pair shows one person.
        folds: int64 of shape (N,), from 0; thresholds of a fold are chosen on the others.
        people: int64 of shape (N, 2), who is on either photograph.
    """

    scores: Floats
    same: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64]


class Curve(NamedTuple):
    """The receiver operating characteristic: what taking the most alike pairs for one person leads to.

    Attributes:
        thresholds: float64 of shape (C,), falling, from taking none to taking all.
        false_accepts: Share of the pairs of two people that are taken for one, at each threshold.
        true_accepts: Share of the pairs of one person that are taken for one.
    """

    thresholds: Floats
    false_accepts: Floats
    true_accepts: Floats


def roc_curve(pairs: ScoredPairs, weights: Floats | None = None) -> Curve:
    """Return the curve, with a threshold between every two scores that differ.

    Args:
        pairs: Some of one person, some of two.
        weights: What each pair counts, of shape (N,); all alike by default.
    """
    weights = _weights(pairs, weights)
    order = np.argsort(-pairs.scores, kind="stable")
    scores, same, counted = pairs.scores[order], pairs.same[order], weights[order]
    last_of_score = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    between = (scores[last_of_score[:-1]] + scores[last_of_score[:-1] + 1]) / 2
    thresholds = np.concatenate([[np.inf], between, [-np.inf]])
    of_one, of_two = (
        np.append(0.0, np.cumsum(np.where(which, counted, 0.0))[last_of_score]) for which in (same, ~same)
    )
    return Curve(thresholds, of_two / of_two[-1], of_one / of_one[-1])


def verification_accuracy(pairs: ScoredPairs, weights: Floats | None = None) -> float:
    """Return the share of pairs judged rightly, each fold at the threshold that is best on the others.

    The protocol of Labeled Faces in the Wild (Huang et al. 2007, section 4); for folds of one size it is the
    mean over folds.

    Args:
        pairs: Of two folds or more.
        weights: As in `roc_curve`.
    """
    weights = _weights(pairs, weights)
    order = np.argsort(-pairs.scores, kind="stable")
    cuts = np.append(0, np.append(np.flatnonzero(np.diff(pairs.scores[order])), len(order) - 1) + 1)
    # To accept a pair of one person gains its weight, to accept one of two people loses it.
    gains = np.where(pairs.same, weights, -weights)[order]
    inside = pairs.folds[order] == np.unique(pairs.folds)[:, None]
    of_fold = np.column_stack([np.zeros(len(inside)), np.cumsum(gains * inside, axis=1)])[:, cuts]
    chosen = np.argmax(of_fold.sum(axis=0) - of_fold, axis=1)
    gained = np.take_along_axis(of_fold, chosen[:, None], axis=1).sum()
    return float((gained + weights[~pairs.same].sum()) / weights.sum())


def true_accepts_at(curve: Curve, false_accept_rate: float, different_pairs: int) -> float | None:
    """Return the share of pairs of one person that are taken for one at so many false accepts at most.

    Args:
        curve: Of the pairs.
        false_accept_rate: FAR, such as 1e-3.
        different_pairs: Pairs of two people. With fewer than 10 / FAR the figure hangs on less than ten
            pairs, and is None.
    """
    if different_pairs < LEAST_ACCEPTED / false_accept_rate:
        return None
    return float(curve.true_accepts[curve.false_accepts <= false_accept_rate][-1])


LEAST_ACCEPTED = 10
"""Falsely accepted pairs that a rate of them is measured on."""


def equal_error_rate(curve: Curve) -> float:
    """Return the rate at which as many pairs are falsely accepted as are falsely rejected.

    Where the curve steps over it, it is on the line between the two ends of the step.
    """
    difference = curve.false_accepts - (1.0 - curve.true_accepts)  # never falls, from -1 to 1
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
    """Return how often a probe's person is among the most alike faces of a gallery.

    Args:
        gallery: Embeddings of length 1, shape (G, D), one for each person.
        gallery_people: Their people, of shape (G,).
        probes: Embeddings of length 1, shape (M, D).
        probe_people: Their people, each of whom is in the gallery, of shape (M,).
        ranks: How many of the gallery are looked at.

    Returns:
        For each rank a share of the probes.
    """
    scores = probes @ gallery.T
    own = scores[probe_people[:, None] == gallery_people[None]]
    # As good counts against it: a network that finds all alike, or says nothing (NaN), identifies nobody.
    better = (~(scores < own[:, None])).sum(axis=1) - 1
    return {rank: float((better < rank).mean()) for rank in ranks}


def weights_of_resampled_people(pairs: ScoredPairs, rng: np.random.Generator) -> Floats:
    """Draw as many people as there are, with replacement; return what each pair counts then, of shape (N,).

    Pairs that share a person are not independent, so that to draw pairs would make intervals too narrow. A
    pair of two people comes as often as the two numbers of times they were drawn multiply to. On why subsets
    are drawn, see Bolle, Ratha & Pankanti 2004, "Error analysis of pattern recognition systems".
    """
    people, index = np.unique(pairs.people, return_inverse=True)
    drawn = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
    first, second = drawn[index.reshape(pairs.people.shape)].T
    weights: Floats = np.where(pairs.same, first, first * second).astype(np.float64)
    return weights


def bootstrap_interval(value: float, samples: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return value ± z times the deviation of what a bootstrap drew (Efron & Tibshirani 1993, chapter 12.5).

    Not the percentiles of the draws: people who come twice make thresholds worse, and draws less accurate
    than the value is, on average.

    Args:
        value: The estimate.
        samples: What it was in each round.
        confidence: In (0, 1).
    """
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * float(np.std(samples, ddof=1))
    return value - margin, value + margin


def _weights(pairs: ScoredPairs, weights: Floats | None) -> Floats:
    return np.ones(len(pairs.scores)) if weights is None else weights
