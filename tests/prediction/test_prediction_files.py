"""Both kinds of files hold what was predicted."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faceml.config.sections.tasks import parse_tasks
from faceml.landmarks.detector import HeadPose
from faceml.prediction.prediction_files import (
    named_columns,
    prediction_schema,
    write_lines,
    write_predictions,
)
from faceml.prediction.results import FacePrediction, ImagePrediction, PredictionCounts
from faceml.tasks.build import Tasks, build_tasks
from faceml.tasks.classes import AFFECTNET8
from tests.random_model import OTHERS, PAIR, WITH_POSE

TASKS = build_tasks(parse_tasks(dict(PAIR)))


def _predictions(tasks: Tasks) -> list[ImagePrediction]:
    rng = np.random.default_rng(0)

    def face(pose: HeadPose | None) -> FacePrediction:
        outputs = {
            name: rng.random(shape, dtype=np.float32)
            for task in tasks.values()
            for name, shape in task.output_shapes.items()
        }
        box, embedding = (rng.random(shape, dtype=np.float32) for shape in (4, 16))
        return FacePrediction(box, outputs, embedding, tasks, pose)

    return [
        ImagePrediction("ä.jpg", "ok", 640, 480, (face(HeadPose(1.5, -2.5, 3.5)), face(None))),
        ImagePrediction("b.jpg", "no_face", 64, 48),
        ImagePrediction("c.jpg", "undecodable"),
    ]


@pytest.fixture
def predictions() -> list[ImagePrediction]:
    return _predictions(TASKS)


def test_write_predictions__parquet_holds_all_values_bit_for_bit(
    predictions: list[ImagePrediction], tmp_path: Path
) -> None:
    write_predictions(predictions, tmp_path / "new" / "p.parquet", TASKS, 16)
    rows = pq.read_table(tmp_path / "new" / "p.parquet").to_pylist()
    assert [row["image"] for row in rows] == ["ä.jpg", "b.jpg", "c.jpg"]
    assert [(row["status"], row["width"]) for row in rows[1:]] == [("no_face", 64), ("undecodable", None)]
    assert rows[1]["faces"] == rows[2]["faces"] == []
    for face, row in zip(predictions[0].faces, rows[0]["faces"], strict=True):
        for name in ("box", "probabilities", "landmarks", "embedding"):
            assert np.array_equal(np.float32(row[name]), getattr(face, name).ravel()), name
        assert row["expression"] == AFFECTNET8[face.probabilities.argmax()]
        assert row["yaw_deg"] == (1.5 if face.pose else None)


def test_write_predictions__lines_name_what_they_hold(
    predictions: list[ImagePrediction], tmp_path: Path
) -> None:
    write_predictions(predictions, tmp_path / "p.jsonl", TASKS, 16)
    first, second, third = map(json.loads, (tmp_path / "p.jsonl").read_text("utf-8").splitlines())
    assert (first["image"], second["status"], third["faces"]) == ("ä.jpg", "no_face", [])
    face, told = predictions[0].faces[0], first["faces"][0]
    assert told["probabilities"][told["expression"]] == max(told["probabilities"].values())
    assert told["landmarks"]["nose_tip"] == pytest.approx(face.landmarks[2], abs=1e-6)
    assert (told["yaw_deg"], told["pitch_deg"], told["roll_deg"]) == (1.5, -2.5, 3.5)
    assert told["embedding"] == pytest.approx(face.embedding, abs=1e-6)


def test_write_predictions__leaves_nothing_if_it_is_interrupted(
    predictions: list[ImagePrediction], tmp_path: Path
) -> None:
    def interrupted() -> Iterator[ImagePrediction]:
        yield predictions[0]
        raise KeyboardInterrupt

    for name in ("p.jsonl", "p.parquet"):
        with pytest.raises(KeyboardInterrupt):
            write_predictions(interrupted(), tmp_path / name, TASKS, 16)
    assert list(tmp_path.iterdir()) == []


def test_write_lines__writes_each_as_soon_as_it_is_there(predictions: list[ImagePrediction]) -> None:
    lines, seen = io.StringIO(), []

    def watched() -> Iterator[ImagePrediction]:
        for prediction in predictions:
            yield prediction
            seen.append(lines.getvalue().count("\n"))

    write_lines(watched(), lines)
    assert seen == [1, 2, 3]


def test_prediction_schema__of_the_default_tasks_is_what_it_was() -> None:
    schema = prediction_schema(TASKS, 16)
    faces = schema.field("faces").type.value_type

    def lists(size: int) -> pa.DataType:
        return pa.list_(pa.float32(), size)

    assert [(field.name, field.type) for field in faces] == [
        ("box", lists(4)),
        ("expression", pa.string()),
        ("probabilities", lists(8)),
        ("landmarks", lists(10)),
        *((name, pa.float32()) for name in ("yaw_deg", "pitch_deg", "roll_deg")),
        ("embedding", lists(16)),
    ]
    assert schema.names == ["image", "status", "width", "height", "faces"]


@pytest.mark.parametrize("settings", [WITH_POSE, OTHERS])
def test_write_predictions__of_other_tasks_has_their_results_in_both_kinds_of_files(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    tasks = build_tasks(parse_tasks(dict(settings)))
    predictions = _predictions(tasks)
    for name in ("p.parquet", "p.jsonl"):
        write_predictions(predictions, tmp_path / name, tasks, 16)
    table = pq.read_table(tmp_path / "p.parquet")
    (row, _), (line, _) = (
        content[0]["faces"]
        for content in (
            table.to_pylist(),
            list(map(json.loads, (tmp_path / "p.jsonl").read_text("utf-8").splitlines())),
        )
    )
    assert list(row) == list(line)
    outputs = predictions[0].faces[0].outputs
    for name, column in line.items():
        if name in ("pose", "affect"):
            assert row[name] == pytest.approx(column, abs=1e-6)
            assert list(column) == settings[name]["target"]
            assert list(column.values()) == pytest.approx(outputs[name], abs=1e-6)
        elif name in ("happy", "units"):
            assert row[name] == column
        elif name.endswith("probabilities"):
            assert np.array_equal(np.float32(row[name]), outputs[name])
            assert list(column.values()) == pytest.approx(row[name], abs=1e-6)
    told = json.loads(table.schema.metadata[b"faceml.tasks"])
    assert list(told) == list(settings)
    if "happy" in told:
        assert told["happy"]["classes"] == ["no", "yes"]
        assert told["units"]["threshold"] == 0.55


def test_prediction_counts__count_classes_and_labels() -> None:
    tasks = build_tasks(parse_tasks(dict(OTHERS)))
    predictions = _predictions(tasks)
    counts = PredictionCounts(named_columns(prediction_schema(tasks, 16)))
    for prediction in predictions:
        counts.add(prediction.image, prediction.status, [face.results for face in prediction.faces])
    assert counts.names.keys() == {"happy", "units"}
    assert (counts.faces, counts.names["happy"].total()) == (2, 2)
    labels = [label for face in predictions[0].faces for label in face.as_plain()["units"]]
    assert counts.names["units"] == Counter(labels)
    assert counts.statuses == {"ok": 1, "no_face": 1, "undecodable": 1}
