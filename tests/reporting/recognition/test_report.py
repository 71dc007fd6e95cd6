"""Sentence of the verification accuracy."""

from typing import Any

import pytest

from faceml.reporting.recognition.report import verification_line

SUMMARY: dict[str, Any] = {"accuracy": 0.9, "accuracy_interval": [0.8, 0.95], "pairs": 6000, "people": 4281}


@pytest.mark.parametrize(
    ("found", "end"),
    [
        ({}, "chance level 50.0\u00a0%)."),
        ({"images": 0, "pairs": 0, "rule": "average_face"}, "chance level 50.0\u00a0%)."),
        (
            {"images": 6, "pairs": 11, "rule": "average_face"},
            " 6 images without landmarks, in 11 pairs, are aligned like the average face.",
        ),
        (
            {"images": 6, "pairs": 11, "rule": "wrong"},
            " 11 pairs count as wrong, because they have one of 6 images without landmarks.",
        ),
    ],
)
def test_verification_line__states_what_happened_to_undetected_faces(found: dict[str, Any], end: str) -> None:
    summary = SUMMARY | ({"without_landmarks": found} if found else {})
    assert verification_line(summary).endswith(end)


def test_verification_line__names_no_people_of_pairs_without_names() -> None:
    line = verification_line(SUMMARY | {"people": None})
    assert line.startswith("Verification accuracy on 6,000 pairs: 90.0\u00a0% (")
    assert "bootstrap over pairs; " in line
