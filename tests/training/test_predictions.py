"""Predictions of images, and of all faces of images."""

from pathlib import Path

import numpy as np
import torch

from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.models.multitask import FaceOutputs
from faceml.tables.face_rows import face_names
from faceml.training.predictions import Predictions
from tests.crowd_table import NAMES, write_crowd_table
from tests.default_tasks import default_pair


def predict(faces: FaceDataset, order: list[int]) -> Predictions:
    predictions, count = Predictions(faces, default_pair()), len(order)
    outputs = {"expression": torch.zeros(count, 8), "landmarks": torch.zeros(count, 10)}
    predictions.add(faces.__getitems__(order), FaceOutputs(outputs, torch.zeros(count, 4)))
    return predictions


def test_predictions__of_all_faces_name_the_face(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    tasks = list(default_pair().values())
    faces = FaceDataset(root / "table", root / "images", 5, Preprocessing(16), tasks)
    table = predict(faces, [5, 0, 6, 1]).table
    assert table.column_names[:3] == ["image_id", "face", "has_landmarks"]
    assert table["image_id"].to_pylist() == ["1/three.jpg", "0/pair.jpg", "2/nobody.jpg", "0/pair.jpg"]
    assert table["face"].to_pylist() == [2, 0, 0, 1]
    assert face_names(table).to_pylist() == [NAMES[index] for index in (5, 0, 6, 1)]
    assert table["label"].to_pylist() == [None, 0, 2, None]
    yaw = faces.yaw_deg
    np.testing.assert_array_equal(yaw, [0, 10, 0, 0, 10, 20, np.nan])
