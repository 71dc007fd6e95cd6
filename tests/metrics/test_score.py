"""Metrics as a reader sees them."""

import math

import pytest

from faceml.metrics.score import Score

ACCURACY = Score("accuracy", "accuracy", minimised=False, is_share=True, digits=1)
MACRO_F1 = Score("macro_f1", "macro-F1", minimised=False, is_share=False, digits=3)
MSE = Score("mse", "landmark MSE", minimised=True, is_share=False, digits=None)
NME = Score("nme_interocular", "landmark NME", minimised=True, is_share=True, digits=2)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("score", "value", "written", "difference", "unit"),
    [
        (ACCURACY, 0.7236, "72.4 %", "+72.4", " points"),
        (MACRO_F1, 0.3456, "0.346", "+0.346", ""),
        (MSE, 0.0012345, "0.00123", "+0.00123", ""),
        (NME, 0.0446, "4.46 %", "+4.46", " points"),
    ],
)
def test_write__value_and_difference(
    score: Score, value: float, written: str, difference: str, unit: str
) -> None:
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


def test_format_range__with_its_unit_and_clear_signs() -> None:
    assert plain(ACCURACY.format_range((0.5, 0.75))) == "50.0–75.0 %"
    assert plain(NME.format_range((0.0123, 0.0456))) == "1.23–4.56 %"
    assert MSE.format_range((-0.25, 0.5)) == "−0.25…0.5"
    assert ACCURACY.format_range(None) == ACCURACY.format_range((math.nan, math.nan)) == "–"


def test_best__knows_its_direction() -> None:
    assert ACCURACY.best([0.25, 0.75, 0.5]) == 0.75
    assert MSE.best([0.25, 0.75, 0.5]) == 0.25
    assert math.isnan(ACCURACY.best([]))
