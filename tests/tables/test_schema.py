import json

import pyarrow as pa
import pytest

from faceml.config.config_error import ConfigError
from faceml.tables.schema import landmark_schema, read_metadata, table_metadata

METADATA = table_metadata({"name": "test", "version": "1", "model_sha256": ""}, {"max_faces": 1}, "9.9")


def test_landmark_schema__has_the_columns_of_the_design() -> None:
    plain = landmark_schema(METADATA)
    full = landmark_schema(
        METADATA, with_look=True, with_rejected=True, with_mesh=True, with_image=True, with_crop=True
    )
    assert plain.names == [
        *("image_id", "folder", "status", "width", "height", "num_faces", "landmarks_5", "landmarks_10"),
        *("yaw_deg", "pitch_deg", "roll_deg", "file_bytes", "modified_ns", "content_sha256", "dhash"),
    ]
    assert full.names == [*plain.names, "look", "num_rejected", "mesh", "image_jpeg", "crop_box"]
    assert full.field("landmarks_10").type == pa.list_(pa.float32(), 20)
    assert full.field("mesh").type == pa.list_(pa.float16(), 1434)
    assert full.field("dhash").type == pa.uint64()
    assert full.field("image_jpeg").type == pa.large_binary(), (
        "images of a table are more than 2 GiB together"
    )
    assert not plain.field("image_id").nullable
    assert plain.field("landmarks_5").nullable


def test_read_metadata__returns_what_table_metadata_made() -> None:
    found = read_metadata(landmark_schema(METADATA), "here")
    assert json.loads(found["faceml.detector"])["name"] == "test"
    assert json.loads(found["faceml.extraction"]) == {"max_faces": 1}
    assert found == METADATA


def test_read_metadata__refuses_another_table() -> None:
    with pytest.raises(ConfigError, match="/there: not a landmark table"):
        read_metadata(pa.schema([pa.field("x", pa.int32())]), "/there")


def test_read_metadata__refuses_another_schema_version_and_names_both() -> None:
    schema = landmark_schema(METADATA | {"faceml.schema_version": "77"})
    with pytest.raises(ConfigError, match=r"/there: schema version 77, this faceml reads 1\b.*9\.9"):
        read_metadata(schema, "/there")


@pytest.mark.parametrize("part", ["names", "mesh_indices", "flip_permutation"])
def test_read_metadata__refuses_another_landmark_set_by_its_number(part: str) -> None:
    sets = json.loads(METADATA["faceml.landmark_sets"])
    sets["10"][part] = sets["10"][part][::-1]
    schema = landmark_schema(METADATA | {"faceml.landmark_sets": json.dumps(sets)})
    with pytest.raises(ConfigError, match="/there: the set of 10 landmarks"):
        read_metadata(schema, "/there")
