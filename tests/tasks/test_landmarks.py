"""Tests of landmark tasks on a table with the face mesh of 16 faces, whose copies are cropped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import LandmarksConfig
from faceml.datasets.augmentation import Moves
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.targets import Target
from faceml.tables.landmark_sets import MESH_MIRROR
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from faceml.tasks.landmarks import LandmarksTask

TABLE = Path(__file__).parents[1] / "compatibility/files/tables/faces/val"
LIPS = (291, 0, 61, 17)
CORNERS = (33, 133, 362, 263)


def task_of(points: Any, **settings: Any) -> LandmarksTask:
    return LandmarksTask("lips", LandmarksConfig(kind="landmarks", points=points, **settings))


def read(task: LandmarksTask, table: Path = TABLE) -> FaceDataset:
    return FaceDataset(table, None, 5, Preprocessing(32), [task])


def test_read__vertices_are_those_of_the_mesh_in_the_cropped_copy() -> None:
    target = read(task_of(LIPS)).targets["lips"]
    rows = read_table(TABLE, ["mesh", "crop_box"]).to_pylist()
    meshes = np.array([row["mesh"] for row in rows]).reshape(16, 478, 3)[:, [*LIPS, *CORNERS], :2]
    boxes = np.array([row["crop_box"] for row in rows])[:, None]
    expected = (meshes - boxes[..., :2]) / (boxes[..., 2:] - boxes[..., :2])
    assert target.known.all()
    np.testing.assert_allclose(target.values, expected, atol=1e-5)


def test_read__ten_vertices_are_the_ten_landmarks() -> None:
    ten = read(task_of(10)).targets["lips"].values
    vertices = read(task_of((33, 133, 362, 263, 4, 2, 61, 291, 0, 17))).targets["lips"].values
    torch.testing.assert_close(vertices, ten, atol=4e-3, rtol=0)  # float16, enlarged by the crop


def test_read__a_row_without_face_has_no_target(tmp_path: Path) -> None:
    whole = read_table(TABLE).slice(0, 3)
    rows = whole.to_pylist()
    rows[1] |= {"status": "no_face", "mesh": None, "landmarks_5": None, "landmarks_10": None}
    write_shard(rows, whole.schema, tmp_path / "a.parquet")
    target = read(task_of((0,)), tmp_path).targets["lips"]
    assert target.known.tolist() == [True, False, True]
    assert (target.values[1] == 0).all()
    assert (target.values[[0, 2]] != 0).all()


def test_read__a_table_without_mesh_names_the_setting_of_the_extraction(tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    write_shard([{"image_id": "0/a.jpg", "folder": "0", "status": "no_face"}], schema, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"no column mesh.* output\.store_mesh: true"):
        read(task_of(LIPS), tmp_path)


def test_init__a_point_without_its_mirror_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tasks\.lips\.points: .* exchanges 61 with 291\. Add them"):
        task_of((0, 61, 17))


def test_move__a_flip_gives_the_mesh_of_the_mirrored_face() -> None:
    task = task_of(LIPS)
    values = read(task).targets["lips"].values
    mesh = dict(zip([*LIPS, *CORNERS], values.unbind(dim=1), strict=True))
    flips = Moves(torch.ones(16, dtype=torch.bool), torch.eye(2).expand(16, 2, 2), torch.zeros(16, 2))
    flipped = [mesh[MESH_MIRROR[v]] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]) for v in mesh]
    torch.testing.assert_close(task.move(values, flips), torch.stack(flipped, dim=1))


def test_loss__is_that_of_the_points_alone() -> None:
    task = task_of(LIPS)
    target = read(task).targets["lips"]
    output = target.values[:, :4] + 0.1
    assert task.build_head(8)(torch.zeros(16, 8)).shape == output.shape
    assert task.build_loss()(output, target, task.count(target)) == pytest.approx(0.01)
    moved = Target(torch.cat([target.values[:, :4], target.values[:, 4:] + 5], dim=1), target.known)
    assert task.build_loss()(output, moved, task.count(target)) == pytest.approx(0.01)


@pytest.mark.parametrize("points", [LIPS, (*LIPS, *CORNERS)], ids=["without eyes", "with eyes"])
def test_metrics__errors_are_in_interocular_distances(points: tuple[int, ...]) -> None:
    task = task_of(points)
    target = read(task).targets["lips"]
    output = target.values[:, : len(points)] + torch.tensor([0.03, 0.04])
    metric = task.build_metric()
    metric.update(output, target)
    found = metric.compute()
    corners = target.values[:, 4:8].double()
    interocular = (corners[:, 2:].mean(dim=1) - corners[:, :2].mean(dim=1)).norm(dim=1)
    nme = float((0.05 / interocular).mean())
    assert found["mse"] == pytest.approx((0.03**2 + 0.04**2) / 2, rel=1e-4)
    assert found["nme_interocular"] == pytest.approx(nme, rel=1e-4)
    names = {f"nme_mesh_{point}" for point in points}
    assert {name for name in found if name.startswith("nme_mesh_")} == names
    assert task.contract()["points"] == [f"mesh_{point}" for point in points]
