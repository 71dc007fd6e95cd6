"""Verdicts on models that scored the same pairs."""

from collections.abc import Mapping

import numpy as np
import pytest

from faceml.metrics.verification import ScoredPairs
from faceml.reporting.verification.findings import (
    ModelScores,
    SetFindings,
    VerificationFindings,
    comparison_sentence,
    verification_summary,
)
from faceml.reporting.verification.tables import comparison_table, true_accepts_table, verification_table

PEOPLE = 30


def scored(distance: float, seed: int) -> ModelScores:
    """Return ten genuine and ten impostor pairs of each of 30 people in five folds, the same for any seed."""
    drawn, rng = np.random.default_rng(0), np.random.default_rng(seed)
    own = np.arange(PEOPLE).repeat(10)
    other = own // 6 * 6 + (own + 1 + drawn.integers(0, 5, len(own))) % 6
    scores = np.concatenate([rng.normal(distance, 1, len(own)), rng.normal(0, 1, len(own))]) / 10
    shown = np.concatenate([np.column_stack([own, own]), np.column_stack([own, other])])
    same = np.arange(len(scores)) < len(own)
    pairs = ScoredPairs(scores, same, np.concatenate([own // 6, own // 6]), shown)
    return ModelScores(pairs, {"top_1": float("nan"), "top_5": float("nan")})


def findings(models: Mapping[str, ModelScores]) -> SetFindings:
    number = len(next(iter(models.values())).scored.scores)
    without = {"images": 0, "pairs": 0, "rule": "average_face"}
    return SetFindings("val", "tables/val", models, 120, without, np.zeros(number, bool))


@pytest.fixture(scope="module")
def found() -> SetFindings:
    weak = scored(1.0, 1)
    return findings({"weak": weak, "same": weak, "strong": scored(2.5, 3)})


def test_comparisons__name_the_better_model_and_no_other(found: SetFindings) -> None:
    same, strong = map(comparison_sentence, found.comparisons)
    assert same == "Accuracy: weak − same = +0.00 points, +0.00…+0.00: the difference is not significant."
    assert strong.startswith("Accuracy: weak − strong = −")
    assert strong.endswith(": strong is better.")
    table = comparison_table(found)
    assert [row[-1] for row in table.rows] == ["the difference is not significant", "strong is better"]
    weak_right, strong_right = found.models["weak"].right, found.models["strong"].right
    gained = int((strong_right & ~weak_right).sum())
    assert table.rows[1][3:5] == [f"{int((weak_right & ~strong_right).sum()):,}", f"{gained:,}"]


def test_tables__have_a_row_for_each_model_and_no_rate_without_enough_pairs(found: SetFindings) -> None:
    assert [row[0] for row in verification_table(found).rows] == ["weak", "same", "strong"]
    rates = true_accepts_table(found)
    assert list(rates.header[1::2]) == ["TAR at FAR 10\N{NO-BREAK SPACE}%"], "300 pairs of two people"


def test_answer__has_the_accuracy_and_all_verdicts(found: SetFindings) -> None:
    answer = VerificationFindings([found], dict.fromkeys(found.models, "recognition")).answer
    assert answer.startswith("val: the verification accuracy of weak on 600 pairs of 30 people is ")
    assert answer.count("not significant") == 1
    assert "strong is better" in answer


def test_summary__of_a_perfect_model_has_no_intervals_and_no_infinite_thresholds() -> None:
    pairs = scored(1.0, 0)
    right = pairs.scored._replace(scores=pairs.scored.same * 1.0)
    perfect = findings({"perfect": ModelScores(right, pairs.identified)})
    summary = verification_summary(VerificationFindings([perfect], {"perfect": "recognition"}))
    figures = summary["sets"]["val"]["models"]["perfect"]
    assert figures["accuracy"] == figures["area_under_curve"] == 1.0
    assert "accuracy_interval" not in figures
    assert "no interval, because all resamples of people give the same" in perfect.answer
    assert figures["fold_thresholds"] == [0.5] * 5
