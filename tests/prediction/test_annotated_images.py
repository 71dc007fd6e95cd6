"""Prediction of annotated faces: the right face of several, in the right place."""

from pathlib import Path

import numpy as np
import pytest

from faceml.annotations.annotated_faces import AnnotatedFaces
from faceml.annotations.mtfl import MTFL_5
from faceml.config.config_error import ConfigError
from faceml.images.decoding import RgbImage, encode_jpeg
from faceml.prediction.annotated_images import predict_annotated_faces
from faceml.prediction.loading import load
from faceml.runs.files import BEST_MODEL_FILE
from faceml.tables.sorted_rows import read_table
from tests.prediction.conftest import CORNERS, SIDE_PX
from tests.random_model import MESH, write_random_model


def test_predict_annotated_faces__of_several_in_an_image_the_nearest(
    run_folder: Path, drawn: Path, photo: RgbImage, tmp_path: Path
) -> None:
    (tmp_path / "two.jpg").write_bytes(encode_jpeg(photo, 95))
    (tmp_path / "gray.png").write_bytes(encode_jpeg(np.full((300, 200, 3), 128, dtype=np.uint8), 95))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8")
    rows = read_table(drawn / "landmarks" / "train", ["landmarks_5"])["landmarks_5"].to_pylist()
    placed = np.array(rows[:2]).reshape(2, 5, 2) * SIDE_PX + np.array(CORNERS)[:, None]
    images = ("two.jpg", "two.jpg", "gray.png", "broken.jpg")
    faces = AnnotatedFaces(MTFL_5, images, np.concatenate([placed[::-1], placed]))
    done = list[int]()
    predictor = load(run_folder)
    found = predict_annotated_faces(predictor, faces, str(tmp_path), done.append)
    assert done == [1, 1, 1]
    assert found.statuses == ("ok", "ok", "no_face", "undecodable")
    (prediction,) = predictor.predict([tmp_path / "two.jpg"])
    by_x = sorted(prediction.faces, key=lambda face: face.box[0])
    for located, face in zip(found.landmarks[5][:2], by_x[::-1], strict=True):
        np.testing.assert_array_equal(located, face.landmarks.astype(np.float64))
    np.testing.assert_allclose(found.landmarks_px(5)[0], by_x[1].landmarks * (600, 400), rtol=1e-6)
    assert np.isnan(found.landmarks[5][2:]).all()
    assert found.sizes_px[:3].tolist() == [[600, 400], [600, 400], [200, 300]]


def test_predict_annotated_faces__refuses_a_network_without_comparable_landmarks(tmp_path: Path) -> None:
    write_random_model(tmp_path / BEST_MODEL_FILE, MESH, 48)
    faces = AnnotatedFaces(MTFL_5, (), np.zeros((0, 5, 2)))
    with pytest.raises(ConfigError, match=r"^model: predicts none of the landmark sets of 5 or 10 points"):
        predict_annotated_faces(load(tmp_path, finds_faces=False), faces, str(tmp_path))
