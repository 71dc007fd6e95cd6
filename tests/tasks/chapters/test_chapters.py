"""Reports of each kind of task, recomputed from outputs and targets."""

import json
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp
from sklearn.metrics import f1_score

from faceml.page.html import Section
from faceml.statistics.proportions import wilson_interval
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.chapters.results import TrainingResults
from faceml.tasks.task import Task
from tests.tasks.chapters.conftest import Evaluate, make_task, some_known

FACES = 60
RNG = np.random.default_rng(0)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def cells(section: Section, table: int = 0) -> list[list[str]]:
    return [[plain(cell) for cell in row] for row in section.tables[table].rows]


def smiling() -> Task[Any]:
    return make_task("smiling", kind="classification", target="smiles", classes=["no", "yes"])


def test_classification__of_two_classes_by_its_own_words(evaluate: Evaluate) -> None:
    labels = torch.from_numpy(RNG.integers(0, 2, FACES))
    logits = torch.randn(FACES, 2, generator=torch.Generator().manual_seed(0))
    found = evaluate(smiling(), logits, some_known(labels, 3, 7))
    known = np.delete(np.arange(FACES), [3, 7])
    right = (logits.argmax(dim=1) == labels).numpy()[known]
    accuracy, macro_f1, calibration = found.headlines()
    assert (accuracy.label, macro_f1.label) == ("Smiling accuracy", "Smiling macro-F1")
    assert calibration.label == "Smiling calibration error"
    assert plain(accuracy.value) == f"{100 * right.mean():.1f} %"
    low, high = wilson_interval(int(right.sum()), 58)
    assert plain(accuracy.detail) == f"95 % interval {100 * low:.1f}–{100 * high:.1f} %; n = 58"
    classes, calibrated, detected = found.sections([])
    assert classes.tables[0].header[0] == "smiling class"
    assert [row[0] for row in cells(classes)] == ["no", "yes"]
    assert calibrated.title == "Calibration of the probabilities (smiling)"
    with_face = int((known % 4 > 0).sum())
    assert [row[1] for row in cells(detected)] == [str(with_face), str(58 - with_face)]
    values = found.image_values()
    assert values is not None
    assert np.isnan(values.values[[3, 7]]).all()
    assert np.array_equal(values.values[known], right)
    assert found.summary()["recall"].keys() == {"no", "yes"}


def test_classification__mistakes_are_those_with_the_highest_confidence(evaluate: Evaluate) -> None:
    logits = torch.tensor([[0.0, 2.0], [0.0, 5.0], [3.0, 0.0], [0.0, 9.0]])
    found = evaluate(smiling(), logits, some_known(torch.tensor([0, 0, 0, 0]), 3))
    assert [(mistake.row, mistake.caption) for mistake in found.mistakes(9)] == [
        (1, "no / yes"),
        (0, "no / yes"),
    ]
    assert [mistake.row for mistake in found.mistakes(1)] == [1]


def test_classification__without_any_label_has_no_figures(evaluate: Evaluate) -> None:
    found = evaluate(smiling(), torch.zeros(3, 2), some_known(torch.zeros(3).long(), 0, 1, 2))
    assert [headline.value for headline in found.headlines()] == ["–"]
    (section,) = found.sections([])
    assert section.text == ["No image has a target."]
    assert (found.intervals(), found.mistakes(3)) == ({}, [])
    assert json.dumps(found.summary())


def test_regression__figures_and_intervals_of_each_column(evaluate: Evaluate) -> None:
    truth = RNG.normal(0, 20, (FACES, 2)).astype(np.float32)
    output = (truth + RNG.normal(1, 5, (FACES, 2)).astype(np.float32)) / 90
    task = make_task("gaze", kind="regression", target=["right", "up"], scale=90.0)
    found = evaluate(task, torch.from_numpy(output), some_known(torch.from_numpy(truth), 0))
    errors = (90 * output - truth)[1:]
    (section,) = found.sections([])
    spread = ttest_1samp(np.abs(errors[:, 0]), 0).confidence_interval()
    name, mae, limits, rmse, rmse_limits, ccc, ccc_limits = cells(section)[0]
    assert (name, mae) == ("right", f"{np.abs(errors[:, 0]).mean():.3g}")
    assert limits == f"{spread.low:.3g}–{spread.high:.3g}"
    assert rmse == f"{np.sqrt(np.square(errors[:, 0]).mean()):.3g}"
    assert float(ccc) == pytest.approx(found.metrics["ccc_right"], abs=6e-4)
    for value, text in ((rmse, rmse_limits), (ccc, ccc_limits)):
        low, high = map(float, text.split("–"))
        assert low < float(value) < high
    assert [headline.label for headline in found.headlines()] == ["Gaze MAE", "Gaze RMSE", "Gaze CCC"]
    sizes = np.abs(errors).mean(axis=1)
    assert [mistake.row - 1 for mistake in found.mistakes(3)] == np.argsort(-sizes)[:3].tolist()
    worst = found.mistakes(1)[0]
    assert worst.caption.endswith((" right", " up"))
    assert set(found.summary()) == {"ccc_right_interval", "ccc_up_interval"}


def test_multilabel__f1_and_its_interval_of_each_label(evaluate: Evaluate) -> None:
    labels = RNG.integers(0, 2, (FACES, 2)).astype(np.float32)
    labels[:10, 1] = -1
    logits = torch.from_numpy(RNG.normal(size=(FACES, 2)).astype(np.float32))
    task = make_task("units", kind="multilabel", target=["au01", "au02"])
    found = evaluate(task, logits, some_known(torch.from_numpy(labels)))
    (section,) = found.sections([])
    predicted = (logits > 0).numpy()
    for row, column, first in zip(cells(section), (0, 1), (0, 10), strict=True):
        truth, guess = labels[first:, column], predicted[first:, column]
        assert row[:3] == [f"au0{column + 1}", str(FACES - first), str(int(truth.sum()))]
        assert row[6] == f"{f1_score(truth, guess):.3f}"
        low, high = map(float, row[7].split("–"))
        assert low < f1_score(truth, guess) < high
    values = found.image_values()
    assert values is not None
    assert values.values[0] == (labels[0, 0] == predicted[0, 0])
    assert values.values[20] == np.mean(labels[20] == predicted[20])


def test_landmarks__students_interval_of_the_nme_over_faces(evaluate: Evaluate) -> None:
    truth = RNG.random((FACES, 5, 2)).astype(np.float32)
    output = truth + RNG.normal(0, 0.02, truth.shape).astype(np.float32)
    task = make_task("landmarks", kind="landmarks", points=5)
    found = evaluate(task, torch.from_numpy(output), some_known(torch.from_numpy(truth), 1))
    eyes = np.linalg.norm(truth[:, 1] - truth[:, 0], axis=1)
    errors = np.delete(np.linalg.norm(output - truth, axis=2) / eyes[:, None], 1, axis=0)
    expected = ttest_1samp(errors.mean(axis=1), 0).confidence_interval()
    assert found.intervals()["nme_interocular"] == pytest.approx((expected.low, expected.high), rel=1e-4)
    (section,) = found.sections([])
    assert [row[0] for row in cells(section)] == [n.replace("_", " ") for n in LANDMARK_SETS[5].names]
    nose = ttest_1samp(errors[:, 2], 0).confidence_interval()
    assert cells(section)[2][2] == f"{100 * nose.low:.1f}–{100 * nose.high:.1f} %"
    assert found.headlines()[1].detail.startswith("of the interocular distance; 95")


def test_landmarks__of_a_large_set_the_table_has_the_largest_errors(evaluate: Evaluate) -> None:
    points = list(range(478))
    task = make_task("mesh", kind="landmarks", points=points)
    truth = torch.rand(4, 478, 2)
    output = truth.clone()
    output[:, 77] += 0.5
    found = evaluate(task, output, some_known(truth))
    (section,) = found.sections([])
    assert section.title == "Mesh localisation"
    assert len(section.tables[0].rows) == 30
    assert section.tables[0].rows[0][0] == "mesh 77"


def with_nulls(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics as `metrics.jsonl` has them."""
    return {name: None if value != value else value for name, value in metrics.items()}  # noqa: PLR0124


def record(task: Task[Any], metrics: dict[str, Any], epoch: int = 1) -> dict[str, Any]:
    names = {f"val/{task.name}/{name}": value for name, value in metrics.items()}
    return {"epoch": epoch, f"train/loss_{task.name}": 1.0 / epoch, **names}


@pytest.mark.parametrize(
    ("config", "output", "values", "titles"),
    [
        (
            {"kind": "classification", "target": "x", "classes": ["a", "b", "c"]},
            torch.randn(20, 3),
            torch.arange(20) % 3,
            ["Validation accuracy and macro-F1", "Age loss", "Confusion matrix"],
        ),
        (
            {"kind": "regression", "target": ["x", "y"], "loss": {"kind": "ccc"}},
            torch.randn(20, 2),
            torch.randn(20, 2),
            ["Age loss", "Age CCC", "Age MAE", "Age RMSE"],
        ),
        ({"kind": "regression", "target": "x"}, torch.randn(20, 1), torch.randn(20, 1), ["Age loss"]),
        (
            {"kind": "multilabel", "target": ["x", "y"]},
            torch.randn(20, 2),
            (torch.arange(40).reshape(20, 2) % 2).float(),
            ["Age loss", "Age macro-F1", "Age accuracy", "F1 of each label"],
        ),
        (
            {"kind": "landmarks", "points": 5},
            torch.rand(20, 5, 2),
            torch.rand(20, 5, 2),
            ["Age loss", "Age landmark NME"],
        ),
    ],
)
def test_training_section__of_each_kind(
    evaluate: Evaluate, config: dict[str, Any], output: torch.Tensor, values: torch.Tensor, titles: list[str]
) -> None:
    task = make_task("age", **config)
    metrics = dict(evaluate(task, output, some_known(values, 0)).metrics)
    records = [record(task, metrics, epoch) for epoch in (1, 2)]
    chapter, results = task.chapter(), TrainingResults(records, records[1], 19)
    section = chapter.training_section(results)
    assert [picture.title for picture in section.pictures][: len(titles)] == titles
    assert section.tables[0].rows
    headlines = chapter.training_headlines(results)
    assert all(headline.label.startswith("Age ") for headline in headlines)
    assert chapter.result_line(chapter.metrics(records[1])).startswith("Age: ")
    assert "{" not in chapter.answer(metrics, "The model", "the images")
    gone = torch.full_like(values, -1) if config["kind"] == "multilabel" else values
    nothing = dict(evaluate(task, output, some_known(gone, *range(20))).metrics)
    blank = [record(task, with_nulls(nothing), epoch) for epoch in (1, 2)]
    unknown = TrainingResults(blank, blank[1], 0)
    assert chapter.training_headlines(unknown)[0].value == "–"
    assert chapter.training_section(unknown)
    assert evaluate(task, output, some_known(gone, *range(20))).sections([])


def test_training__of_a_network_that_diverged_has_dashes(evaluate: Evaluate) -> None:
    task = make_task("pose", kind="regression", target=["x", "y"])
    metrics = evaluate(task, torch.full((9, 2), math.nan), some_known(torch.ones(9, 2))).metrics
    found = with_nulls(dict(metrics))
    (only,) = [record(task, found)]
    assert found["images"] == 9
    mae = task.chapter().training_headlines(TrainingResults([only], only, 9))[0]
    assert (mae.value, mae.detail) == ("–", "n = 9; epoch 1 of 1")


def test_chapter__of_a_kind_of_another_package_follows_from_its_scores(
    evaluate: Evaluate, ordinal: ModuleType
) -> None:
    config = ordinal.OrdinalConfig(kind="ordinal", target="age", levels=4)
    task = ordinal.OrdinalTask("age_group", config)
    output, levels = torch.randn(30, 3), torch.arange(30) % 4
    found = evaluate(task, output, some_known(levels, 0))
    expected = ((output > 0).sum(dim=1) - levels).abs()[1:].float().mean()
    (headline,) = found.headlines()
    assert (headline.label, headline.value) == ("Age group level error", f"{expected:.2f}")
    (section,) = found.sections([])
    assert cells(section)[0][:2] == ["level error", f"{expected:.2f}"]
    assert found.card_lines() == [f"Age group level error: {expected:.2f}"]
    records = [record(task, dict(found.metrics), epoch) for epoch in (1, 2)]
    chapter, results = task.chapter(), TrainingResults(records, records[0], 29)
    titles = [picture.title for picture in chapter.training_section(results).pictures]
    assert titles == ["Age group loss", "Age group level error"]
    columns = {**chapter.loss_column, **chapter.score_columns}
    assert list(columns) == ["age group loss", "age group level error"]
