"""A study in words: what is decided is said to be, what is not is not."""

import numpy as np
import pytest

from faceml.metrics.verification import ScoredPairs
from faceml.reporting.recognition.study import (
    ArmRun,
    reached,
    study_answer,
    study_rows,
    study_summary,
    verdict,
)
from faceml.search.arms import ArmComparison, ArmStudy
from faceml.statistics import Estimate

PAIRS = ScoredPairs(
    np.array([0.9, 0.1, 0.8, 0.2]),
    np.array([True, False, True, False]),
    np.array([0, 0, 1, 1]),
    np.array([[0, 0], [0, 1], [2, 2], [2, 3]]),
)
STUDY = ArmStudy(
    {"naive": Estimate(0.6, 0.55, 0.65), "pk": Estimate(0.8, 0.76, 0.84), "both": Estimate(0.81, 0.77, 0.85)},
    [
        ArmComparison("naive", "pk", Estimate(-0.2, -0.26, -0.14), 2),
        ArmComparison("naive", "both", Estimate(-0.21, -0.27, -0.15), 2),
        ArmComparison("pk", "both", Estimate(-0.01, -0.05, 0.03), 2),
    ],
)


def run(arm: str, seed: int, accuracies: list[float], error: str | None = None) -> ArmRun:
    records = [{"epoch": e, "verification/accuracy": a} for e, a in enumerate(accuracies, start=1)]
    return ArmRun(arm, seed, 1000, records, None if error else PAIRS, error)


RUNS = [
    run("naive", 0, [0.5, 0.6]),
    run("naive", 1, [0.52, 0.58]),
    run("pk", 0, [0.6, 0.8]),
    run("pk", 1, [0.5, 0.7]),
    run("both", 0, [0.7, 0.81]),
    run("both", 1, [0.5], error="its process died"),
]


def test_verdict__names_the_better_arm_only_where_the_interval_leaves_zero_out() -> None:
    first, _, last = (verdict(comparison) for comparison in STUDY.comparisons)
    assert first.startswith("pk against naive: +20.0 points")
    assert first.endswith("pk is better.")
    assert "+14.0…+26.0" in first
    assert last.startswith("both against pk: +1.0 points")
    assert "−3.0…+5.0" in last
    assert last.endswith("−3.0…+5.0: not significant.")


def test_study_answer__says_whom_the_leader_beats_and_whom_not() -> None:
    assert study_answer(STUDY).endswith("better than naive and not distinguished from pk.")
    undecided = ArmStudy(STUDY.accuracies, [STUDY.comparisons[2]])
    assert study_answer(undecided).endswith(": not distinguished from pk.")


def test_verdict__one_seed_gives_none() -> None:
    study = ArmStudy(STUDY.accuracies, [comparison._replace(seeds=1) for comparison in STUDY.comparisons])
    text = verdict(study.comparisons[0])
    assert text.endswith("+14.0…+26.0 (interval over people only): no verdict from one seed.")
    assert study_answer(study).endswith(": no verdict from one seed against naive and pk.")
    for line in (*study_summary(study, RUNS, [0.7])["verdicts"], study_answer(study)):
        assert "better" not in line


def test_reached__is_told_of_every_seed_that_did_not_fail() -> None:
    assert reached(RUNS, "pk", 0.7) == pytest.approx([1500.0, 2000.0])
    assert reached(RUNS, "naive", 0.7) == [None, None]
    assert reached(RUNS, "both", 0.7) == [1000.0]


def test_study_rows__have_seeds_and_images() -> None:
    header, rows = study_rows(STUDY, RUNS, [0.6, 0.7])
    assert header[-2:] == ["images to 60%", "images to 70%"]
    by_arm = {row[0]: row[3:] for row in rows}
    assert by_arm["pk"] == ["80.0, 70.0", "1,250", "1,750"]
    assert by_arm["naive"] == ["60.0, 58.0", "2,000 (1 of 2)", "–"]
    assert by_arm["both"][0] == "81.0"


def test_study_summary__tells_which_trainings_failed() -> None:
    summary = study_summary(STUDY, RUNS, [0.7])
    assert summary["failed"] == {"both, seed 1": "its process died"}
    assert summary["arms"]["pk"]["of_seeds"] == {0: 0.8, 1: 0.7}
    assert summary["arms"]["pk"]["images_to_reach"] == {"0.7": pytest.approx([1500.0, 2000.0])}
    assert len(summary["verdicts"]) == 3
