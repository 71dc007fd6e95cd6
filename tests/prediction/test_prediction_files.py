"""Both kinds of files hold what was predicted."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from faceml.datasets.labels import EXPRESSIONS
from faceml.landmarks.detector import HeadPose
from faceml.prediction.prediction_files import write_lines, write_predictions
from faceml.prediction.results import FacePrediction, ImagePrediction


@pytest.fixture
def predictions() -> list[ImagePrediction]:
    rng = np.random.default_rng(0)

    def face(pose: HeadPose | None) -> FacePrediction:
        box, probabilities, points, embedding = (
            rng.random(shape, dtype=np.float32) for shape in (4, 8, (5, 2), 16)
        )
        return FacePrediction(box, probabilities, points, embedding, pose)

    return [
        ImagePrediction("ä.jpg", "ok", 640, 480, (face(HeadPose(1.5, -2.5, 3.5)), face(None))),
        ImagePrediction("b.jpg", "no_face", 64, 48),
        ImagePrediction("c.jpg", "undecodable"),
    ]


def test_write_predictions__parquet_holds_all_values_bit_for_bit(
    predictions: list[ImagePrediction], tmp_path: Path
) -> None:
    write_predictions(predictions, tmp_path / "new" / "p.parquet", 5, 16)
    rows = pq.read_table(tmp_path / "new" / "p.parquet").to_pylist()
    assert [row["image"] for row in rows] == ["ä.jpg", "b.jpg", "c.jpg"]
    assert [(row["status"], row["width"]) for row in rows[1:]] == [("no_face", 64), ("undecodable", None)]
    assert rows[1]["faces"] == rows[2]["faces"] == []
    for face, row in zip(predictions[0].faces, rows[0]["faces"], strict=True):
        for name in ("box", "probabilities", "landmarks", "embedding"):
            assert np.array_equal(np.float32(row[name]), getattr(face, name).ravel()), name
        assert row["expression"] == EXPRESSIONS[face.probabilities.argmax()]
        assert row["yaw_deg"] == (1.5 if face.pose else None)


def test_write_predictions__lines_name_what_they_hold(
    predictions: list[ImagePrediction], tmp_path: Path
) -> None:
    write_predictions(predictions, tmp_path / "p.jsonl", 5, 16)
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
            write_predictions(interrupted(), tmp_path / name, 5, 16)
    assert list(tmp_path.iterdir()) == []


def test_write_lines__writes_each_as_soon_as_it_is_there(predictions: list[ImagePrediction]) -> None:
    lines, seen = io.StringIO(), []

    def watched() -> Iterator[ImagePrediction]:
        for prediction in predictions:
            yield prediction
            seen.append(lines.getvalue().count("\n"))

    write_lines(watched(), lines)
    assert seen == [1, 2, 3]
