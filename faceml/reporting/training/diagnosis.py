"""What the figures of a multitask training say about how its tasks share the network, in words."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from faceml.config import LearnedWeighting, WeightingConfig
from faceml.page import significant

TASKS = ("expression", "landmarks")
DOMINANT_RATIO = 20.0
"""Weighted gradients on the backbone; beyond, the weaker task hardly teaches it."""
STEADY_CHANGE = 0.05
"""Of a weight in an epoch, as the difference of its logarithm."""
OPPOSED_COSINE = -0.1


class Finding(NamedTuple):
    """One thing worth knowing; `key` stays the same when it is found again an epoch later."""

    key: str
    text: str


class Doctor:
    """Look at a training after each epoch, and say each thing once.

    Args:
        diagnose: Returns what is worth knowing after the epochs whose records it is given.
    """

    def __init__(self, diagnose: Callable[[Sequence[dict[str, Any]]], Sequence[Finding]]) -> None:
        self._diagnose = diagnose
        self._said: set[str] = set()

    def news(self, records: Sequence[dict[str, Any]]) -> list[str]:
        """Return what was not yet worth saying an epoch ago."""
        found = [finding for finding in self._diagnose(records) if finding.key not in self._said]
        self._said |= {finding.key for finding in found}
        return [finding.text for finding in found]


def diagnose(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> list[Finding]:
    """Return what is worth knowing after the epochs so far.

    Args:
        records: Of the epochs, at least one, as in `metrics.jsonl`.
        weighting: Of the training.
    """
    return [
        *_dominance(records[-1], weighting),
        *_opposition(records[-1]),
        *_clamps(records[-1], weighting),
        *_negative_total(records, weighting),
        *_steadiness(records, weighting),
    ]


def _dominance(record: dict[str, Any], weighting: WeightingConfig) -> Iterator[Finding]:
    norms = {task: record[f"train/grad_norm_{task}"] for task in TASKS}
    pulls = {task: record[f"train/weight_{task}"] * (norms[task] or 0.0) for task in TASKS}
    weak, strong = sorted(TASKS, key=pulls.__getitem__)
    if pulls[strong] <= DOMINANT_RATIO * pulls[weak]:
        return
    times = f"{pulls[strong] / pulls[weak]:,.0f} times as hard as" if pulls[weak] else "and so does not"
    remedy = (
        f"Raise weighting.lambda_{weak}, or let the weights be learned with weighting.kind: uncertainty."
        if weighting.kind in ("fixed", "pcgrad")
        else "Give weighting.learning_rate more, so that s gets there sooner."
        if isinstance(weighting, LearnedWeighting) and weighting.kind != "uncertainty_revised"
        else "weighting.kind: uncertainty brings the two together."
    )
    yield Finding(
        f"{strong} dominates",
        f"In epoch {record['epoch']} the {strong} task pulls the backbone {times} the {weak} task (weighted "
        f"gradients {significant(pulls[strong])} and {significant(pulls[weak])}): it learns little "
        f"from {weak}. {remedy}",
    )


def _opposition(record: dict[str, Any]) -> Iterator[Finding]:
    cosine = record.get("train/grad_cosine")
    if cosine is not None and cosine < OPPOSED_COSINE:
        yield Finding(
            "opposed",
            f"In epoch {record['epoch']} the tasks pull the backbone in opposed directions (cosine of their "
            f"gradients {cosine:.2f}). weighting.kind: pcgrad takes from each what is against the other.",
        )


def _clamps(record: dict[str, Any], weighting: WeightingConfig) -> Iterator[Finding]:
    if not isinstance(weighting, LearnedWeighting):
        return
    for task in TASKS:
        s, limit = record[f"train/log_var_{task}"], weighting.max_abs_log_var
        if abs(s) >= limit * (1 - 1e-6):
            yield Finding(
                f"clamp {task}",
                f"In epoch {record['epoch']} the log-variance of {task} is at its limit of {s:g}: its "
                "weight cannot go where it wants to. Raise weighting.max_abs_log_var if the task matters.",
            )


def _negative_total(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> Iterator[Finding]:
    first = next((r for r in records if r["train/loss"] is not None and r["train/loss"] < 0), None)
    if first is not None and isinstance(weighting, LearnedWeighting):
        yield Finding(
            "negative total",
            f"The total is negative since epoch {first['epoch']}. That is as it should be: to it, each task "
            "adds its log-variance, which is below 0 when its loss is below 1. Judge by accuracy and NME.",
        )


def _steadiness(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> Iterator[Finding]:
    if weighting.kind in ("fixed", "pcgrad", "rlw") or len(records) < 2:
        return
    changes = [_largest_change(before, after) for before, after in pairwise(records)]
    moving = [number for number, change in enumerate(changes) if change >= STEADY_CHANGE]
    steady_from = records[moving[-1] + 1 if moving else 0]["epoch"]
    if len(records) >= 3 and (not moving or moving[-1] < len(changes) - 1):
        yield Finding(
            "steady",
            f"The weights have stabilised: since epoch {steady_from} none changes by more than "
            f"{STEADY_CHANGE:.0%} an epoch.",
        )


def _largest_change(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Return the largest change of a weight, as the difference of its logarithm."""
    pairs = [(before[f"train/weight_{task}"], after[f"train/weight_{task}"]) for task in TASKS]
    return max(abs(math.log(b / a)) if a > 0 and b > 0 else math.inf for a, b in pairs)


def unsteady(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> str | None:
    """Return a sentence if the learned weights were still moving when the training ended."""
    learned = isinstance(weighting, LearnedWeighting)
    if not learned or len(records) < 2 or _largest_change(*records[-2:]) < STEADY_CHANGE:
        return None
    return (
        f"The weights were still moving in the last epoch, by {_largest_change(*records[-2:]):.0%}: train "
        "longer, or give weighting.learning_rate more."
    )
