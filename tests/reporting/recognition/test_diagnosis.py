"""Findings of recognition trainings: at chance, and none above chance."""

from typing import Any

import pytest

from faceml.config.loading import parse_config
from faceml.config.recognition import RecognitionConfig
from faceml.reporting.recognition.diagnosis import diagnose_recognition
from faceml.reporting.training.diagnosis import Finding, TrainingDiagnosis

PEOPLE = 10_575


def config(**data: Any) -> RecognitionConfig:
    splits = {split: {"table": f"/{split}"} for split in ("train", "val")}
    return parse_config(RecognitionConfig, {"data": splits | data, "run": {"folder": "/run"}})


def record(epoch: int = 2, **changes: float) -> dict[str, Any]:
    """Return the record of an epoch above chance."""
    return {
        "epoch": epoch,
        "train/grad_norm": 4.0,
        "train/accuracy": 0.4,
        "train/cosine_own": 0.5,
        "train/cosine_others": 0.0,
        "train/cosine_deviation": 0.05,
        "train/images_per_person": 4.0,
        "verification/accuracy": 0.8,
        **{name.replace("__", "/"): value for name, value in changes.items()},
    }


FAILING = {
    "train__accuracy": 0.0001,
    "train__cosine_own": 0.01,
    "train__cosine_deviation": 0.045,
    "train__images_per_person": 1.0,
    "verification__accuracy": 0.51,
}


def diagnose(*records: dict[str, Any], **data: Any) -> list[Finding]:
    return diagnose_recognition(records, config(**data), PEOPLE)


def test_diagnose_recognition__explains_the_failure_of_naive_batches_with_numbers() -> None:
    first = record(1, **FAILING | {"train__grad_norm": 40.0})
    assert diagnose(first, sampling="naive") == [], "one epoch is too early"
    found = diagnose(first, record(2, **FAILING), sampling="naive")
    assert [finding.key for finding in found] == [
        "at chance", "verification at chance", "little apart", "fading", "seen once",
    ]  # fmt: skip
    chance, coin, apart, fading, once = (finding.text for finding in found)
    assert "in epoch 2 0.010" in chance
    assert "chance level for 10,575 people is 0.009" in chance
    assert "51.0" in coin
    assert (
        "standard deviation of 2.88, but the logit of the correct person exceeds the mean of the others by "
        "only 0.64" in apart
    )
    assert "fell from 40 in epoch 1 to 4 in epoch 2" in fading
    assert "1.0 images of each of its people" in once
    assert "alone does not keep the accuracy at chance" in once


def test_diagnose_recognition__pk_batches_with_few_of_the_people() -> None:
    failing = FAILING | {"train__images_per_person": 8.0}
    *_, last = diagnose(record(1, **failing), record(2, **failing), sampling="pk", people_per_batch=16)
    found = last.text
    assert "shows 16 of 10,575 people" in found
    assert "in one of 661 steps" in found
    assert "data.sampling: naive" in found
    for others in ({"people_per_batch": 106}, {"sampling": "naive"}):
        keys = {finding.key for finding in diagnose(record(2, **failing), **others)}
        assert "at chance" in keys
        assert "few people" not in keys


@pytest.mark.parametrize("changes", [{}, {"train__images_per_person": 1.0}, {"train__grad_norm": 0.1}])
def test_diagnose_recognition__no_findings_above_chance(changes: dict[str, float]) -> None:
    assert diagnose(record(1), record(2, **changes)) == []


def test_diagnose_recognition__detects_overfitting_on_unseen_people() -> None:
    fitted = record(2, verification__accuracy=0.5, train__accuracy=0.99, train__grad_norm=0.2)
    (coin,) = diagnose(record(1), fitted)
    assert coin.key == "verification at chance"


def test_diagnose_recognition__accepts_an_epoch_without_finite_values() -> None:
    blind = record(2, **FAILING) | {"train/cosine_own": None, "train/cosine_deviation": None}
    assert "little apart" not in [finding.key for finding in diagnose(record(1), blind)]


def test_new_findings__reports_each_kind_once() -> None:
    diagnosis = TrainingDiagnosis(lambda records: diagnose_recognition(records, config(), PEOPLE))
    assert len(diagnosis.new_findings([record(1, **FAILING), record(2, **FAILING)])) == 4
    assert diagnosis.new_findings([record(1, **FAILING), record(2, **FAILING), record(3, **FAILING)]) == []
