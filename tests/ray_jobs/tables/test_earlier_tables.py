"""Tables that versions of faceml without a step of the detection have begun are continued without it."""

from pathlib import Path
from typing import Any

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.extract import LandmarkerConfig
from faceml.extraction.comparison import read_table_state
from faceml.storage.folder import StorageFolder
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from ray_jobs.tables.earlier_tables import earlier_settings
from ray_jobs.tables.table_diff import require_same_settings

DETECTOR = {"name": "mediapipe", "version": "1", "model_sha256": ""}
FIRST = {"max_faces": 1, "min_detection_confidence": 0.5, "decode": "reduced"}
WITH_SECOND_LOOK = FIRST | {"max_faces": 5, "keep": "largest", "zoom_levels": 1, "second_look": True}
NOW = WITH_SECOND_LOOK | {"confirm": True}


@pytest.mark.parametrize(
    ("stored", "replaced"),
    [
        (FIRST, {"max_faces": 1, "second_look": False, "confirm": False}),
        (WITH_SECOND_LOOK, {"confirm": False}),
        (NOW, {}),
    ],
)
def test_earlier_settings__are_those_with_which_the_table_is_continued(
    stored: dict[str, Any], replaced: dict[str, Any], tmp_path: Path
) -> None:
    schema = landmark_schema(table_metadata(DETECTOR, {"landmarker": stored}, "0"))
    row = {"image_id": "a.jpg", "folder": "", "status": "no_face"}
    write_shard([row], schema, tmp_path / "part-0.parquet")
    given = LandmarkerConfig().model_dump()
    assert earlier_settings(str(tmp_path), "landmarker", given) == replaced
    continued = given | replaced
    wanted = {key: continued[key] for key in NOW}
    folder, scratch = StorageFolder(str(tmp_path)), tmp_path / "scratch"
    scratch.mkdir()
    shards = read_table_state(folder, scratch).images.shards
    assert len(shards) == 1
    schema = landmark_schema(table_metadata(DETECTOR, {"landmarker": wanted}, "0"))
    require_same_settings(folder, shards, schema)
    others = wanted | {"confirm": not wanted["confirm"]}
    with pytest.raises(ConfigError, match=r"landmarker\.confirm is"):
        require_same_settings(
            folder, shards, landmark_schema(table_metadata(DETECTOR, {"landmarker": others}, "0"))
        )
