"""Results of an evaluation of face recognition.

Shape letters: N pairs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage
from faceml.metrics import FoldResults, Score, ScoredPairs, judge_folds
from faceml.page import INTERVAL, percent, percent_range
from faceml.reporting.recognition.report import undetected_sentence
from faceml.search import ArmComparison, compare_arms
from faceml.statistics import Interval
from faceml.training import evaluation_metrics, verification_intervals

Mask = npt.NDArray[np.bool_]

DIGITS = 2
"""Decimals of percentages: published accuracies on LFW differ in the second one."""
ACCURACY = Score("accuracy", "accuracy", minimised=False, is_share=True, digits=DIGITS)


@dataclass(frozen=True)
class ModelScores:
    """Pairs of a set scored by one model.

    Attributes:
        scored: The pairs.
        identified: Identification rates, `top_1` and `top_5`; NaN where nobody is identified.
    """

    scored: ScoredPairs
    identified: Mapping[str, float]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Metrics of the pairs and identification rates by name; NaN where there are too few pairs."""
        return {**evaluation_metrics(self.scored), **self.identified}

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Intervals of the metrics of pairs, except those that all resamples agree on."""
        found = verification_intervals(self.scored, measure=evaluation_metrics)
        return {name: limits for name, limits in found.items() if limits[0] < limits[1]}

    @cached_property
    def folds(self) -> FoldResults:
        """Decisions on the pairs, and the accuracy of each fold."""
        return judge_folds(self.scored)

    @property
    def right(self) -> Mask:
        """Whether a pair is classified correctly, bool of shape (N,)."""
        right: Mask = self.folds.accepted == self.scored.same
        return right


@dataclass(frozen=True)
class ExtremePair:
    """A pair that a model confuses most.

    Attributes:
        images: Names of both images.
        score: Their cosine.
        is_accepted: Whether the model takes it for a pair of one person.
        faces: Both faces as the model sees them.
    """

    images: tuple[str, str]
    score: float
    is_accepted: bool
    faces: tuple[RgbImage, RgbImage]


@dataclass(frozen=True)
class SetFindings:
    """Results on one set of people.

    Attributes:
        name: Name of the set.
        split: Place of its table, and its rows.
        models: Scores of each model, by its name; the evaluated one first.
        images: Number of images in the pairs.
        without_landmarks: See `VerificationSet.without_landmarks`.
        counted_wrong: Pairs that count as misclassified whatever their score, bool of shape (N,).
        leaks: What the models have seen of the set, a sentence each.
        groups: Groups of pairs by an attribute: a title, and the mask of each group by its name.
        extremes: Pairs that the first model confuses most, by their kind.
    """

    name: str
    split: str
    models: Mapping[str, ModelScores]
    images: int
    without_landmarks: Mapping[str, Any]
    counted_wrong: Mask
    leaks: Sequence[str] = ()
    groups: Mapping[str, Mapping[str, Mask]] = field(default_factory=dict)
    extremes: Mapping[str, Sequence[ExtremePair]] = field(default_factory=dict)

    @property
    def first(self) -> ModelScores:
        """Scores of the evaluated model."""
        return next(iter(self.models.values()))

    @property
    def pairs(self) -> ScoredPairs:
        """The pairs, with the scores of the evaluated model."""
        return self.first.scored

    @cached_property
    def comparisons(self) -> list[ArmComparison]:
        """Differences in accuracy between the evaluated model and each of the others."""
        arms = {name: [model.scored] for name, model in self.models.items()}
        return compare_arms(arms, reference=next(iter(arms))).comparisons if len(arms) > 1 else []

    @property
    def resampled(self) -> str:
        """What intervals resample: `people`, or `pairs` if the people are not known."""
        return "people" if self.pairs.num_people else "pairs"

    @property
    def answer(self) -> str:
        """Accuracy of the evaluated model in one sentence."""
        name, model = next(iter(self.models.items()))
        people = f" of {self.pairs.num_people:,} people" if self.pairs.num_people else ""
        limits = model.intervals.get("accuracy")
        interval = (
            f"{INTERVAL} {percent_range(limits, DIGITS)}, bootstrap over {self.resampled}"
            if limits
            else f"no interval, because all resamples of {self.resampled} give the same"
        )
        return (
            f"{self.name}: the verification accuracy of {name} on {len(self.pairs.scores):,} pairs{people} "
            f"is {percent(model.metrics['accuracy'], DIGITS)} ({interval}; chance level {percent(0.5)})."
            f"{undetected_sentence({'without_landmarks': self.without_landmarks})}"
        )


@dataclass(frozen=True)
class VerificationFindings:
    """Results on all sets, and the kind of each model."""

    sets: Sequence[SetFindings]
    kinds: Mapping[str, str]

    @property
    def answer(self) -> str:
        """The main results, a sentence for each set and for each comparison with the evaluated model."""
        return " ".join(
            sentence
            for found in self.sets
            for sentence in (found.answer, *map(comparison_sentence, found.comparisons))
        )


def comparison_sentence(found: ArmComparison) -> str:
    """Return the difference of two models in accuracy, and the verdict."""
    difference = found.difference
    limits = (difference.low, difference.high)
    return (
        f"Accuracy: {found.arm} − {found.other} = {ACCURACY.format_difference(difference.value)}"
        f"{ACCURACY.unit}, {ACCURACY.format_limits(limits)}: {verdict_on(found)}."
    )


def verdict_on(found: ArmComparison) -> str:
    """Return which of two models is better, if the interval of their difference excludes 0."""
    if not found.difference.is_resolved:
        return "the difference is not significant"
    return f"{found.arm if found.difference.value > 0 else found.other} is better"


def verification_summary(findings: VerificationFindings) -> dict[str, Any]:
    """Return the content of `summary.json`, except `wall_s`."""
    return {"models": dict(findings.kinds), "sets": {found.name: _summary(found) for found in findings.sets}}


def _summary(found: SetFindings) -> dict[str, Any]:
    return {
        "pairs": len(found.pairs.scores),
        "genuine_pairs": int(found.pairs.same.sum()),
        "people": found.pairs.num_people,
        "images": found.images,
        "without_landmarks": dict(found.without_landmarks),
        "leakage": list(found.leaks),
        "models": {name: _model_summary(model) for name, model in found.models.items()},
        "compared": [
            {
                "model": comparison.arm,
                "other": comparison.other,
                "accuracy_difference": comparison.difference.value,
                "interval": [comparison.difference.low, comparison.difference.high],
                "significant": comparison.difference.is_resolved,
            }
            for comparison in found.comparisons
        ],
    }


def _model_summary(model: ModelScores) -> dict[str, Any]:
    return {
        **{name: _finite(value) for name, value in model.metrics.items()},
        **{f"{name}_interval": limits for name, limits in model.intervals.items()},
        "fold_accuracies": model.folds.accuracies.tolist(),
        "fold_thresholds": [_finite(threshold) for threshold in model.folds.thresholds.tolist()],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
