"""Metrics as a reader sees them."""

import math

import pytest

from faceml.search.scores import ACCURACY, SCORES


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("metric", "value", "written", "difference", "unit"),
    [
        ("val/accuracy", 0.7236, "72.4 %", "+72.4", " points"),
        ("val/macro_f1", 0.3456, "0.346", "+0.346", ""),
        ("val/landmark_mse", 0.0012345, "0.00123", "+0.00123", ""),
        ("val/nme_interocular", 0.0446, "4.46 %", "+4.46", " points"),
    ],
)
def test_write__value_and_difference(
    metric: str, value: float, written: str, difference: str, unit: str
) -> None:
    score = SCORES[metric]
    assert plain(score.format(value)) == written
    assert (score.format_difference(value), score.unit) == (difference, unit)
    assert score.format_difference(-value) == difference.replace("+", "−")


def test_write__what_is_missing_is_a_dash() -> None:
    assert (ACCURACY.format(None), ACCURACY.format(math.nan)) == ("–", "–")
    assert (ACCURACY.format_limits(None), ACCURACY.format_margin(None)) == ("–", "–")


def test_format_limits__signs_and_no_negative_zero() -> None:
    assert ACCURACY.format_limits((-0.008, 0.031)) == "−0.8…+3.1"
    assert ACCURACY.format_limits((-0.0001, 0.0001)) == "+0.0…+0.0"
    assert ACCURACY.format_margin((-0.008, 0.032)) == "2.0"


def test_best__knows_its_direction() -> None:
    assert ACCURACY.best([0.25, 0.75, 0.5]) == 0.75
    assert SCORES["val/landmark_mse"].best([0.25, 0.75, 0.5]) == 0.25
    assert math.isnan(ACCURACY.best([]))
