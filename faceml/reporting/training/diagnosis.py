"""Diagnosis of multitask trainings: balance and conflict of any number of tasks, learned weights."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from faceml.config import ConstantWeighting, LearnedWeighting, WeightingConfig
from faceml.page import significant

DOMINANT_RATIO = 20.0
"""Ratio of weighted gradient norms in the backbone above which a task is reported as dominant."""
WEIGHT = "train/weight_"
"""Prefix of the tasks' weights in records."""
STEADY_CHANGE = 0.05
"""Change of a weight within an epoch below which it counts as steady, as difference of logarithms."""
OPPOSED_COSINE = -0.1
RUNAWAY_RATIO = 100.0
"""Ratio of two learned weights above which the tasks are reported as out of balance."""
_NEAR = 1 - 1e-6
"""Fraction of the limit of a log-variance from which it counts as clamped."""


class Finding(NamedTuple):
    """A message about a training; `key` identifies its kind over the epochs."""

    key: str
    text: str


class TrainingDiagnosis:
    """Diagnose a training after each epoch and report each kind of finding once.

    Args:
        diagnose: Returns the findings for the records of the epochs so far.
    """

    def __init__(self, diagnose: Callable[[Sequence[dict[str, Any]]], Sequence[Finding]]) -> None:
        self._diagnose = diagnose
        self._reported: set[str] = set()

    def new_findings(self, records: Sequence[dict[str, Any]]) -> list[str]:
        """Return the texts of findings that were not reported before."""
        found = [finding for finding in self._diagnose(records) if finding.key not in self._reported]
        self._reported |= {finding.key for finding in found}
        return [finding.text for finding in found]


def diagnose_multitask(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> list[Finding]:
    """Diagnose a multitask training from its metrics; of a single task there is nothing to balance.

    Args:
        records: Records of the epochs so far, at least one, as in `metrics.jsonl`.
        weighting: Weighting of the training's tasks.
    """
    if len(tasks_of(records[-1])) < 2:
        return []
    return [
        *_dominance(records[-1], weighting),
        *_opposition(records[-1]),
        *_runaway(records[-1], weighting),
        *_clamps(records[-1], weighting),
        *_negative_total(records, weighting),
        *_steadiness(records, weighting),
    ]


def tasks_of(record: Mapping[str, Any]) -> list[str]:
    """Return the tasks of a training, given the record of an epoch."""
    return [name.removeprefix(WEIGHT) for name in record if name.startswith(WEIGHT)]


def cosine_metrics(record: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return the names of the cosines between the gradients of two tasks, by these tasks."""
    pairs = list(combinations(tasks_of(record), 2))
    names = {
        (one, other): f"train/grad_cosine_{one}_{other}" if len(pairs) > 1 else "train/grad_cosine"
        for one, other in pairs
    }
    return {pair: name for pair, name in names.items() if name in record}


def _weighted_norms(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the norm of each task's weighted gradient in the backbone, the largest one first.

    A task without targets in the measured steps has none.
    """
    found = {task: record[f"train/grad_norm_{task}"] for task in tasks_of(record)}
    norms = {task: record[WEIGHT + task] * norm for task, norm in found.items() if norm is not None}
    return dict(sorted(norms.items(), key=lambda item: -item[1]))


def _dominated(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the weighted gradient norms of tasks from which the backbone learns little."""
    norms = _weighted_norms(record)
    largest = max(norms.values(), default=0.0)
    return {task: norm for task, norm in norms.items() if largest > DOMINANT_RATIO * norm}


def _dominance(record: Mapping[str, Any], weighting: WeightingConfig) -> Iterator[Finding]:
    norms = _weighted_norms(record)
    for weak, norm in _dominated(record).items():
        if not record[WEIGHT + weak] and not isinstance(weighting, ConstantWeighting):
            continue  # the last step had no target of the task
        strong, largest = next(iter(norms.items()))
        comparison = (
            f"the weighted gradient of the {strong} task in the backbone is "
            f"{largest / norm:,.0f} times that of the {weak} task (norms {significant(largest)} and "
            f"{significant(norm)})"
            if norm
            else f"the {strong} task has a gradient in the backbone, and the {weak} task has none"
        )
        yield Finding(
            f"{strong} dominates {weak}",
            f"In epoch {record['epoch']} {comparison}: the backbone learns little from {weak}. "
            f"{_remedy(weak, record, weighting)}",
        )


def _remedy(weak: str, record: Mapping[str, Any], weighting: WeightingConfig) -> str:
    if isinstance(weighting, ConstantWeighting):
        return f"Raise weighting.lambdas.{weak}, or learn the weights with weighting.kind: uncertainty."
    if isinstance(weighting, LearnedWeighting) and _is_at_lower_limit(record, weak, weighting):
        return (
            "Its weight is as large as weighting.max_abs_log_var allows: raise this limit if "
            f"{weak} matters more than the other tasks."
        )
    if isinstance(weighting, LearnedWeighting) and weighting.kind != "uncertainty_revised":
        return "Raise weighting.learning_rate, so that the log-variances converge sooner."
    return "weighting.kind: uncertainty balances the tasks."


def _opposition(record: Mapping[str, Any]) -> Iterator[Finding]:
    cosines = cosine_metrics(record)
    for (one, other), name in cosines.items():
        cosine = record[name]
        if cosine is None or cosine >= OPPOSED_COSINE:
            continue
        gradients = f"gradients of {one} and {other}" if len(cosines) > 1 else "task gradients"
        yield Finding(
            f"opposed {one} {other}",
            f"In epoch {record['epoch']} the {gradients} in the backbone conflict (cosine {cosine:.2f}). "
            "weighting.kind: pcgrad projects the conflicting components out.",
        )


def _runaway(record: Mapping[str, Any], weighting: WeightingConfig) -> Iterator[Finding]:
    if not isinstance(weighting, LearnedWeighting):
        return
    weights = {task: record[WEIGHT + task] for task in tasks_of(record)}
    strong, weak = max(weights, key=weights.__getitem__), min(weights, key=weights.__getitem__)
    ratio = weights[strong] / weights[weak]
    if ratio > RUNAWAY_RATIO:
        yield Finding(
            f"runaway {strong}",
            f"In epoch {record['epoch']} the learned weight of {strong} is {ratio:,.0f} times that of "
            f"{weak}, which may make {weak} worse. Lower weighting.max_abs_log_var (now "
            f"{weighting.max_abs_log_var:g}), for example to 2, or compare with weighting.kind: fixed.",
        )


def _clamps(record: Mapping[str, Any], weighting: WeightingConfig) -> Iterator[Finding]:
    if not isinstance(weighting, LearnedWeighting):
        return
    dominated = _dominated(record)  # their remedy is the same
    for task in tasks_of(record):
        s = record[f"train/log_var_{task}"]
        clamped = f"In epoch {record['epoch']} the log-variance of {task} is clamped at its limit of {s:g}"
        if s >= weighting.max_abs_log_var * _NEAR:
            yield Finding(
                f"clamp {task}",
                f"{clamped}. Raise weighting.max_abs_log_var to let the weight of this task fall further.",
            )
        elif _is_at_lower_limit(record, task, weighting) and task not in dominated:
            yield Finding(
                f"clamp {task}",
                f"{clamped}, so that its weight does not grow at the expense of other tasks. Raise "
                f"weighting.max_abs_log_var if {task} matters more.",
            )


def _is_at_lower_limit(record: Mapping[str, Any], task: str, weighting: LearnedWeighting) -> bool:
    s: float = record[f"train/log_var_{task}"]
    return s <= -weighting.max_abs_log_var * _NEAR


def _negative_total(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> Iterator[Finding]:
    first = next((r for r in records if r["train/loss"] is not None and r["train/loss"] < 0), None)
    if first is not None and isinstance(weighting, LearnedWeighting):
        yield Finding(
            "negative total",
            f"The total loss is negative since epoch {first['epoch']}. This is expected: it includes the "
            "log-variance of each task, which is negative for losses below 1. Compare the metrics of the "
            "tasks instead.",
        )


def _steadiness(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> Iterator[Finding]:
    if isinstance(weighting, ConstantWeighting) or weighting.kind == "rlw" or len(records) < 2:
        return
    changes = [_largest_change(before, after) for before, after in pairwise(records)]
    moving = [number for number, change in enumerate(changes) if change >= STEADY_CHANGE]
    steady_from = records[moving[-1] + 1 if moving else 0]["epoch"]
    if len(records) >= 3 and (not moving or moving[-1] < len(changes) - 1):
        yield Finding(
            "steady",
            f"The task weights have stabilised: since epoch {steady_from} none changes by more than "
            f"{STEADY_CHANGE:.0%} per epoch.",
        )


def _largest_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return the largest change of a weight, as difference of logarithms."""
    pairs = [(before[WEIGHT + task], after[WEIGHT + task]) for task in tasks_of(after)]
    return max(abs(math.log(b / a)) if a > 0 and b > 0 else math.inf for a, b in pairs)


def unsteady(records: Sequence[dict[str, Any]], weighting: WeightingConfig) -> str | None:
    """Return a message if the learned weights still changed in the last epoch, None if not."""
    learned = isinstance(weighting, LearnedWeighting)
    if not learned or len(records) < 2 or len(tasks_of(records[-1])) < 2:
        return None
    if _largest_change(*records[-2:]) < STEADY_CHANGE:
        return None
    return (
        f"The task weights still changed by {_largest_change(*records[-2:]):.0%} in the last epoch: train "
        "longer, or raise weighting.learning_rate."
    )
