"""Sentence of the verification accuracy."""

from typing import Any

import numpy as np
import pytest

from faceml.metrics.verification import ScoredPairs
from faceml.reporting.recognition.report import people_sentence, verification_line

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


@pytest.mark.parametrize(
    ("people", "of_file", "text"),
    [
        (
            [[0, 0], [0, 1], [2, 2], [2, 3]],
            False,
            "None of these people is in the training split, and each fold holds other people.",
        ),
        (
            [[0, 0], [0, 1], [2, 2], [2, 1]],
            True,
            "None of these people has the name of one in the training split, and 1 of them are in several "
            "folds, so that the accuracy is optimistic.",
        ),
    ],
)
def test_people_sentence__says_what_is_known(people: list[list[int]], of_file: bool, text: str) -> None:
    same = np.array([True, False, True, False])
    pairs = ScoredPairs(np.array([0.9, 0.1, 0.8, 0.2]), same, np.array([0, 0, 1, 1]), np.array(people))
    assert people_sentence(pairs, of_file=of_file) == text


def test_verification_line__names_no_people_of_pairs_without_names() -> None:
    line = verification_line(SUMMARY | {"people": None})
    assert line.startswith("Verification accuracy on 6,000 pairs: 90.0\u00a0% (")
    assert "bootstrap over pairs; " in line
