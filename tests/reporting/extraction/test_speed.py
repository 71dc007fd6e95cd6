"""Shares of the detectors' time, recomputed by hand."""

import pytest

from faceml.reporting.extraction.speed import ExtractionSpeed


def test_shares__are_relative_to_the_lifetime_of_the_detectors() -> None:
    """One detector lives for 10 s, another for the last 5 s: 15 s, of which 12 s are spent on images."""
    speed = ExtractionSpeed(
        images=300, span_s=10, detectors=2, there_s=15, detect_s=9, decode_s=1.5, write_s=1, busy_s=12
    )
    assert speed.images_per_second == 30
    assert speed.shares() == pytest.approx(
        {"detect": 9 / 15, "decode": 1.5 / 15, "read": 1.5 / 15, "write": 1 / 15, "idle": 2 / 15}
    )
    assert "Time of the 2 detectors: detect 60%" in speed.bottleneck()
    assert "The detector is the bottleneck" in speed.bottleneck()


def test_shares__writing_that_overlaps_with_detection_is_not_counted() -> None:
    speed = ExtractionSpeed(images=10, span_s=4, detectors=1, there_s=4, detect_s=4, write_s=3, busy_s=4)
    assert speed.shares() == {"detect": 1, "decode": 0, "read": 0, "write": 0, "idle": 0}


def test_shares__without_images_are_empty() -> None:
    assert ExtractionSpeed().shares() == {}
    assert ExtractionSpeed().bottleneck() == ""
    assert ExtractionSpeed().images_per_second == 0
