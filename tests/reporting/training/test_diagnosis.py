"""Findings of multitask trainings: their conditions, texts, and report only once."""

import math
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter

from faceml.config.sections.weighting import WeightingConfig
from faceml.reporting.training.diagnosis import TrainingDiagnosis, diagnose_multitask, unsteady


def weighting(kind: str, **settings: float) -> WeightingConfig:
    made: WeightingConfig = TypeAdapter(WeightingConfig).validate_python({"kind": kind, **settings})
    return made


def record(epoch: int = 1, s: tuple[float, float] = (0.0, 0.0), **changes: float | None) -> dict[str, Any]:
    """Return the record of an epoch without findings."""
    return {
        "epoch": epoch,
        "train/loss": 1.0,
        "train/grad_norm_expression": 1.0,
        "train/grad_norm_landmarks": 1.0,
        "train/grad_cosine": 0.1,
        "train/log_var_expression": s[0],
        "train/log_var_landmarks": s[1],
        "train/weight_expression": math.exp(-s[0]),
        "train/weight_landmarks": math.exp(-s[1]),
        **{f"train/{name}": value for name, value in changes.items()},
    }


def keys(*records: dict[str, Any], kind: str = "uncertainty", **settings: float) -> list[str]:
    return [finding.key for finding in diagnose_multitask(records, weighting(kind, **settings))]


@pytest.mark.parametrize(("ratio", "found"), [(19.0, []), (21.0, ["expression dominates landmarks"])])
def test_diagnose_multitask__a_task_dominates_beyond_20_to_1_of_weighted_gradients(
    ratio: float, found: list[str]
) -> None:
    weighted = record(weight_expression=0.5, grad_norm_expression=2 * ratio, grad_norm_landmarks=1.0)
    assert keys(weighted) == found
    # The weight compensates for a small gradient.
    assert keys(record(weight_landmarks=ratio, grad_norm_landmarks=1 / ratio)) == []


def test_diagnose_multitask__names_both_tasks_the_ratio_and_a_remedy_for_the_weighting() -> None:
    ill = record(3, grad_norm_expression=0.01)
    (of_fixed,) = diagnose_multitask([ill], weighting("fixed"))
    assert of_fixed.text == (
        "In epoch 3 the weighted gradient of the landmarks task in the backbone is 100 times that of the "
        "expression task (norms 1 and 0.01): the backbone learns little from expression. Raise "
        "weighting.lambdas.expression, or learn the weights with weighting.kind: uncertainty."
    )
    (of_learned,) = diagnose_multitask([ill], weighting("uncertainty"))
    assert "weighting.learning_rate" in of_learned.text
    (of_random,) = diagnose_multitask([ill], weighting("rlw"))
    assert "weighting.kind: uncertainty" in of_random.text


def test_diagnose_multitask__a_task_without_any_gradient_is_dominated() -> None:
    assert keys(record(grad_norm_landmarks=0.0)) == ["expression dominates landmarks"]


@pytest.mark.parametrize(
    ("cosine", "found"), [(-0.3, ["opposed expression landmarks"]), (-0.05, []), (None, [])]
)
def test_diagnose_multitask__conflicting_gradients(cosine: float | None, found: list[str]) -> None:
    assert keys(record(grad_cosine=cosine)) == found


def test_diagnose_multitask__s_at_its_limit() -> None:
    assert keys(record(s=(0.0, -2.0)), max_abs_log_var=2.0) == ["clamp landmarks"]
    assert keys(record(s=(2.0, 1.9)), max_abs_log_var=2.0) == ["clamp expression"]
    assert keys(record(s=(0.0, -2.0)), max_abs_log_var=2.0, kind="uncertainty_kendall") == ["clamp landmarks"]
    (small,) = diagnose_multitask([record(s=(2.0, 1.9))], weighting("uncertainty", max_abs_log_var=2.0))
    assert small.text == (
        "In epoch 1 the log-variance of expression is clamped at its limit of 2. Raise "
        "weighting.max_abs_log_var to let the weight of this task fall further."
    )
    (large,) = diagnose_multitask([record(s=(0.0, -2.0))], weighting("uncertainty", max_abs_log_var=2.0))
    assert large.text == (
        "In epoch 1 the log-variance of landmarks is clamped at its limit of -2, so that its weight does not "
        "grow at the expense of other tasks. Raise weighting.max_abs_log_var if landmarks matters more."
    )


def test_diagnose_multitask__a_dominated_task_at_the_limit_of_its_weight_has_one_finding() -> None:
    limited = record(s=(0.0, -2.0), grad_norm_landmarks=0.001)
    (found,) = diagnose_multitask([limited], weighting("uncertainty", max_abs_log_var=2.0))
    assert found.key == "expression dominates landmarks"
    assert found.text.endswith(
        "Its weight is as large as weighting.max_abs_log_var allows: raise this limit if landmarks matters "
        "more than the other tasks."
    )


def test_diagnose_multitask__a_learned_weight_that_runs_away_from_the_others() -> None:
    assert "runaway landmarks" not in keys(record(s=(-0.5, -5.0)))
    assert "runaway landmarks" in keys(record(s=(0.0, -5.0)), kind="uncertainty_revised")
    learned = weighting("uncertainty", max_abs_log_var=10.0)
    found = {f.key: f.text for f in diagnose_multitask([record(3, s=(0.7, -4.0))], learned)}
    assert found["runaway landmarks"] == (
        "In epoch 3 the learned weight of landmarks is 110 times that of expression, which may make "
        "expression worse. Lower weighting.max_abs_log_var (now 10), for example to 2, or compare with "
        "weighting.kind: fixed."
    )
    assert "runaway landmarks" not in keys(record(s=(0.7, -4.0)), kind="fixed")


def test_diagnose_multitask__a_runaway_weight_counts_the_halving_of_kendall() -> None:
    of_kendall = record(s=(-2.31, 2.31), weight_landmarks=math.exp(-2.31) / 2)
    found = {f.key: f.text for f in diagnose_multitask([of_kendall], weighting("uncertainty_kendall"))}
    assert "expression is 203 times that of landmarks" in found["runaway expression"]


def test_diagnose_multitask__a_task_without_targets_in_the_measured_steps_dominates_nothing() -> None:
    assert keys(record(grad_norm_landmarks=None, grad_cosine=None)) == []
    assert keys(record(grad_norm_landmarks=None, grad_norm_expression=None, grad_cosine=None)) == []
    # Adaptive weights are those of the last step.
    assert keys(record(weight_landmarks=0.0), kind="famo") == []
    assert keys(record(weight_landmarks=0.0), kind="fixed") == ["expression dominates landmarks"]


def test_diagnose_multitask__a_negative_total_is_explained_where_it_is_expected() -> None:
    epochs = [record(1), record(2, loss=-0.5, s=(0.0, -1.0)), record(3, loss=-0.7, s=(0.0, -1.5))]
    found = {f.key: f.text for f in diagnose_multitask(epochs, weighting("uncertainty"))}
    assert "since epoch 2" in found["negative total"]
    assert "is expected" in found["negative total"]
    assert "negative total" not in keys(*epochs, kind="dwa")


def test_diagnose_multitask__names_the_epoch_from_which_weights_are_steady() -> None:
    moving = [record(epoch, s=(0.0, -0.5 * epoch)) for epoch in (1, 2, 3)]
    assert "steady" not in keys(*moving)
    steady = [*moving, record(4, s=(0.0, -1.52)), record(5, s=(0.01, -1.53))]
    found = {f.key: f.text for f in diagnose_multitask(steady, weighting("uncertainty"))}
    assert "since epoch 3" in found["steady"]
    assert "steady" not in keys(*steady, kind="fixed")
    assert "steady" not in keys(*steady, record(6, s=(0.01, -1.9)))


def test_unsteady__if_weights_still_moved_in_the_last_epoch() -> None:
    epochs = [record(1), record(2, s=(0.0, -0.4))]
    text = unsteady(epochs, weighting("uncertainty"))
    assert text is not None
    assert "by 40%" in text
    assert unsteady([*epochs, record(3, s=(0.0, -0.41))], weighting("uncertainty")) is None
    assert unsteady(epochs, weighting("rlw")) is None


def test_new_findings__reports_each_kind_once() -> None:
    diagnosis = TrainingDiagnosis(partial(diagnose_multitask, weighting=weighting("fixed")))
    epochs = [record(1, grad_norm_expression=100.0)]
    assert len(diagnosis.new_findings(epochs)) == 1
    epochs.append(record(2, grad_norm_expression=120.0))
    assert diagnosis.new_findings(epochs) == []
    epochs.append(record(3, grad_norm_expression=0.01))
    assert len(diagnosis.new_findings(epochs)) == 1


def three(epoch: int = 1, **changes: float | None) -> dict[str, Any]:
    """The record of an epoch of three tasks without findings."""
    tasks = ("expression", "landmarks", "head_pose")
    pairs = ("expression_landmarks", "expression_head_pose", "landmarks_head_pose")
    return {
        "epoch": epoch,
        "train/loss": 1.0,
        **{f"train/{name}_{task}": 1.0 for task in tasks for name in ("grad_norm", "weight")},
        **{f"train/log_var_{task}": 0.0 for task in tasks},
        **{f"train/grad_cosine_{pair}": 0.1 for pair in pairs},
        **{f"train/{name}": value for name, value in changes.items()},
    }


def test_diagnose_multitask__of_three_tasks_without_findings() -> None:
    assert keys(three()) == keys(three(), kind="fixed") == []


def test_diagnose_multitask__names_each_task_that_the_strongest_of_three_dominates() -> None:
    ill = three(weight_head_pose=50.0, weight_landmarks=10.0)
    found = diagnose_multitask([ill], weighting("fixed"))
    assert [finding.key for finding in found] == ["head_pose dominates expression"]
    assert "Raise weighting.lambdas.expression," in found[0].text
    assert keys(three(grad_norm_head_pose=100.0)) == [
        "head_pose dominates expression",
        "head_pose dominates landmarks",
    ]


def test_diagnose_multitask__names_each_pair_of_three_that_conflicts() -> None:
    ill = three(2, grad_cosine_expression_head_pose=-0.4, grad_cosine_landmarks_head_pose=-0.2)
    texts = [finding.text for finding in diagnose_multitask([ill], weighting("rlw"))]
    assert [text.partition(" in the backbone")[0] for text in texts] == [
        "In epoch 2 the gradients of expression and head_pose",
        "In epoch 2 the gradients of landmarks and head_pose",
    ]
    assert "cosine -0.40" in texts[0]


def test_diagnose_multitask__of_three_tasks_looks_at_every_log_variance() -> None:
    epochs = [three(epoch) for epoch in (1, 2, 3)]
    assert keys(*epochs) == ["steady"]
    assert keys(three(log_var_head_pose=-2.0), max_abs_log_var=2.0) == ["clamp head_pose"]
    moving = [three(1), three(2, weight_head_pose=1.5)]
    assert unsteady(moving, weighting("uncertainty")) is not None


def test_diagnose_multitask__one_task_has_nothing_to_balance() -> None:
    alone = {"epoch": 1, "train/loss": -1.0, "train/weight_pose": 1e-9, "train/log_var_pose": 10.0}
    assert keys(alone, alone, alone) == []
    assert unsteady([alone, alone | {"train/weight_pose": 1.0}], weighting("uncertainty")) is None
