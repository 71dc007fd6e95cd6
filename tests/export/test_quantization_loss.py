"""Loss by quantization, recomputed by hand for models of known outputs."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from faceml.config.loading import parse_config
from faceml.config.sections.split import SplitConfig
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.targets import Target
from faceml.datasets.verification_pairs import draw_pairs
from faceml.export.graph import Images, Inference, Outputs
from faceml.export.quantization_loss import (
    PairedOutputs,
    measure_task_loss,
    measure_verification_loss,
    run_alternately,
)
from faceml.export.split_images import SplitImages, open_split
from faceml.metrics.verification import verification_accuracy
from faceml.statistics.proportions import paired_shares_interval
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.build import Tasks, build_tasks
from faceml.training.verification.scoring import score_pairs
from tests.random_model import OTHERS, PAIR, WITH_POSE

MEASURED = [1, 2, 3, 5, 8, 9, 10, 11, 13, 17, 19, 20]
PEOPLE = np.repeat(np.arange(20), 5)


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return build_tasks(parse_tasks(dict(WITH_POSE | OTHERS)))


@pytest.fixture(scope="module")
def split(faces: Path, tasks: Tasks) -> SplitImages:
    places = {"table": "table", "images": "images", "labels": "labels.csv"}
    config = parse_config(SplitConfig, {key: str(faces / name) for key, name in places.items()})
    return open_split(config, Preprocessing(32), LANDMARK_SETS[5], list(tasks.values()))


def truth(split: SplitImages, task: str, index: int) -> npt.NDArray[np.float64]:
    assert isinstance(split.faces, FaceDataset)
    return split.faces.targets[task].values[index].double().numpy()


def knowing(split: SplitImages, wrong: set[int], shift: float) -> Inference:
    """Return a model that recognises images by their mean, with errors in some classes and all numbers."""
    places = {float(split.decoded(i).mean()): i for i in range(len(split))}
    assert len(places) == len(split)

    def infer(images: Images) -> Outputs:
        index = places[float(images.mean())]
        label = (int(truth(split, "expression", index)) + (index in wrong)) % 8
        happy = (int(truth(split, "happy", index)) + (index in wrong)) % 2
        units = np.abs((truth(split, "units", index) == 1) - 1.0 * (index in wrong))
        outputs = {
            "probabilities": np.eye(8)[label],
            "logits": np.eye(8)[label],
            "landmarks": truth(split, "landmarks", index) + shift,
            "pose": truth(split, "pose", index)[:3] + 100 * shift,
            "happy_probabilities": np.eye(2)[happy],
            "happy_logits": np.eye(2)[happy],
            "units_probabilities": units,
            "units_logits": units,
            "affect": truth(split, "affect", index) - shift,
        }
        return {name: np.float32(values)[None] for name, values in outputs.items()}

    return infer


def test_measure_task_loss__counts_images_and_errors_of_each_task(split: SplitImages, tasks: Tasks) -> None:
    advanced: list[int] = []
    floats, int8 = knowing(split, {1, 3}, 0.01), knowing(split, {3, 5, 8, 20, 4}, 0.03)
    paired = run_alternately(split, MEASURED, (floats, int8), advanced.append)
    loss = measure_task_loss(split, MEASURED, tasks, paired)
    assert advanced == [1] * 12
    assert loss.latency_ms == paired.latency_ms
    assert min(loss.latency_ms) > 0
    assert loss.images == 12
    assert list(loss.metrics) == [
        *("accuracy", "nme", "pose/mae", "happy/accuracy", "units/macro_f1", "affect/mae")
    ]
    for name in ("accuracy", "happy/accuracy"):
        accuracy = loss.metrics[name]
        assert (accuracy.first, accuracy.second) == (pytest.approx(10 / 12), pytest.approx(8 / 12))
        assert accuracy.difference == pytest.approx(-2 / 12)
        assert accuracy.interval == paired_shares_interval(1, 3, 12)
    assert loss.agreement == {"expression": pytest.approx(8 / 12), "happy": pytest.approx(8 / 12)}

    nme = loss.metrics["nme"]
    assert isinstance(split.faces, FaceDataset)
    with_points = [i for i in MEASURED if split.faces.has_landmarks[i]]
    assert nme.count == len(with_points) == 10
    points = [truth(split, "landmarks", i) for i in with_points]
    errors = np.sqrt(2) / np.array([np.hypot(*(eyes[1] - eyes[0])) for eyes in points])
    assert nme.first == pytest.approx(0.01 * errors.mean(), rel=1e-3)
    assert nme.second == pytest.approx(0.03 * errors.mean(), rel=1e-3)
    margin = 2.262157 * (0.02 * errors).std(ddof=1) / np.sqrt(10)  # Student's t of 9 degrees of freedom
    expected = (0.02 * errors.mean() - margin, 0.02 * errors.mean() + margin)
    assert nme.interval == pytest.approx(expected, rel=1e-3)

    for name, first, second, count in (("pose/mae", 1, 3, 10), ("affect/mae", 0.01, 0.03, 12)):
        mae = loss.metrics[name]
        assert (mae.first, mae.second) == pytest.approx((first, second), rel=1e-3)
        assert (mae.difference, mae.count) == (pytest.approx(second - first, rel=1e-3), count)

    f1 = loss.metrics["units/macro_f1"]
    labels = np.array([truth(split, "units", i) for i in MEASURED])
    for which, wrong in ((f1.first, {1, 3}), (f1.second, {3, 5, 8, 20})):
        is_wrong = np.array([i in wrong for i in MEASURED])[:, None]
        predicted = (labels == 1) != is_wrong
        scores = [
            2 * (p & (y == 1)).sum() / (p[y >= 0].sum() + (y == 1).sum())
            for y, p in zip(labels.T, predicted.T, strict=True)
        ]
        assert which == pytest.approx(np.mean(scores))
    assert f1.difference == pytest.approx(f1.second - f1.first)


def test_measure_task_loss__without_targets_of_a_task_leaves_it_out(split: SplitImages, tasks: Tasks) -> None:
    same = knowing(split, set(), 0.0)
    assert isinstance(split.faces, FaceDataset)
    without = np.flatnonzero(~split.faces.has_landmarks).tolist()
    assert len(without) == 4
    loss = measure_task_loss(
        split, without, tasks, run_alternately(split, without, (same, same), lambda _: None)
    )
    assert list(loss.metrics) == ["accuracy", "happy/accuracy", "units/macro_f1", "affect/mae"]
    assert loss.metrics["accuracy"].difference == 0
    assert loss.metrics["accuracy"].interval == paired_shares_interval(0, 0, 4)


def test_as_plain__of_the_default_tasks_has_the_names_of_before(split: SplitImages) -> None:
    tasks, same = build_tasks(parse_tasks(dict(PAIR))), knowing(split, set(), 0.0)
    paired = run_alternately(split, MEASURED, (same, same), lambda _: None)
    plain = measure_task_loss(split, MEASURED, tasks, paired).as_plain()
    assert plain.keys() == {"images", "measure", "accuracy", "nme", "same_expression", "latency_ms"}
    assert plain["measure"] == "expression accuracy"
    assert plain["accuracy"].keys() == {"floats", "int8", "difference", "interval", "count"}


def test_compare__the_interval_of_macro_f1_agrees_with_the_jackknife(tasks: Tasks) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 3)) < (0.5, 0.2, 0.1)).astype(np.float32)
    labels[rng.random((300, 3)) < 0.1] = -1
    outputs = [
        {
            "units_probabilities": np.abs(np.maximum(labels, 0) - (rng.random((300, 3)) < error)).astype(
                np.float32
            )
        }
        for error in (0.1, 0.2)
    ]

    def macro_f1(rows: npt.NDArray[np.bool_], which: int) -> float:
        y, p = labels[rows], outputs[which]["units_probabilities"][rows] > 0.55
        hits, sizes = (p & (y == 1)).sum(axis=0), ((p & (y >= 0)).sum(axis=0) + (y == 1).sum(axis=0))
        return float((2 * hits / sizes).mean())

    known = (labels >= 0).any(axis=1)
    target = Target(torch.from_numpy(labels), torch.from_numpy(known))
    (found,) = tasks["units"].compare(*outputs, target)
    difference = macro_f1(known, 1) - macro_f1(known, 0)
    assert found.difference == pytest.approx(difference)
    without = []
    for row in np.flatnonzero(known):
        others = known.copy()
        others[row] = False
        without.append(macro_f1(others, 1) - macro_f1(others, 0))
    count = len(without)
    error = np.sqrt((count - 1) ** 2 / count * np.var(without, ddof=1))
    assert found.interval is not None
    assert found.interval[1] - found.difference == pytest.approx(1.968 * error, rel=0.05)


def embeddings(noise: float) -> np.ndarray:
    """One direction for each person, and each image somewhere around it; float32 of shape (100, 8)."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(20, 8))[PEOPLE] + noise * rng.normal(size=(100, 8))
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def outputs(found: np.ndarray) -> list[Outputs]:
    return [{"embedding": row[None]} for row in found]


def test_measure_verification_loss__is_the_difference_of_verification_accuracies() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    clear, blurred = embeddings(0.3), embeddings(1.5)
    loss = measure_verification_loss(
        PEOPLE, pairs, PairedOutputs((outputs(clear), outputs(blurred)), (2.0, 1.0))
    )
    expected = [
        verification_accuracy(score_pairs(found.astype(np.float64), pairs, PEOPLE))
        for found in (clear, blurred)
    ]
    accuracy = loss.metrics["accuracy"]
    assert (accuracy.first, accuracy.second) == pytest.approx(tuple(expected))
    assert accuracy.difference == pytest.approx(expected[1] - expected[0])
    assert accuracy.interval is not None
    low, high = accuracy.interval
    assert low < accuracy.difference < high < 0
    assert (loss.images, accuracy.count) == (100, len(pairs.same))
    assert loss.as_plain()["measure"] == "verification accuracy"


def test_measure_verification_loss__of_equal_embeddings_is_zero() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    same = outputs(embeddings(1.0))
    loss = measure_verification_loss(PEOPLE, pairs, PairedOutputs((same, same), (2.0, 1.0)))
    assert loss.metrics["accuracy"].difference == 0
    assert loss.metrics["accuracy"].interval == (0, 0)
