"""Images of a split as input of the exported graph and of the training."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.sections.split import SplitConfig
from faceml.datasets.person_dataset import AlignedPreprocessing
from faceml.datasets.preprocessing import Preprocessing
from faceml.export.split_images import open_split
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata


def test_decoded__is_the_whole_image_and_square_what_training_sees(faces: Path) -> None:
    config = SplitConfig(table=str(faces / "table"), images=str(faces / "images"))
    split = open_split(config, Preprocessing(8), LANDMARK_SETS[5])
    assert len(split) == 24
    for index in (0, 5, 23):
        file = faces / "images" / split.faces.image_ids[index]
        whole = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(split.decoded(index), whole[None])
        assert torch.equal(split.square(index), split.faces[index].image)


def test_decoded__of_people_is_the_aligned_face(faces: Path) -> None:
    config = SplitConfig(table=str(faces / "table"), images=str(faces / "images"))
    split = open_split(config, AlignedPreprocessing(32), LANDMARK_SETS[5])
    assert len(split) == 20, "images without a face are left out"
    face = split.decoded(3)
    assert (face.shape, face.dtype) == ((1, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(face[0], split.square(3).permute(1, 2, 0).numpy())


def test_open_split__without_any_image_is_refused(tmp_path: Path) -> None:
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    rows = [{"image_id": "0/a.jpg", "folder": "0", "status": "undecodable"}]
    write_shard(rows, schema, tmp_path / "table" / "a.parquet")
    config = SplitConfig(table=str(tmp_path / "table"), images=str(tmp_path))
    with pytest.raises(ConfigError, match=r"^data\.table: .*table has no usable image"):
        open_split(config, Preprocessing(8), LANDMARK_SETS[5])
