import json
from pathlib import Path
from typing import Any

import pytest

from faceml.tables.json_export import export_json
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata


def test_export_json__has_the_pairs_of_every_image_with_landmarks(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image_id": "0/é.jpg", "folder": "0", "status": "ok", "landmarks_5": [i / 16 for i in range(10)]},
        {"image_id": "0/a.jpg", "folder": "0", "status": "no_face"},
    ]
    write_shard(rows, landmark_schema(table_metadata({}, {}, "0")), tmp_path / "table" / "a.parquet")
    assert export_json(tmp_path / "table", tmp_path / "plain.json", 5) == 1
    assert export_json(tmp_path / "table", tmp_path / "rooted.json", 5, Path("/data/train")) == 1
    pairs = [[pytest.approx(2 * i / 16), pytest.approx((2 * i + 1) / 16)] for i in range(5)]
    assert json.loads((tmp_path / "plain.json").read_text(encoding="utf-8")) == {"0/é.jpg": pairs}
    assert json.loads((tmp_path / "rooted.json").read_text(encoding="utf-8")) == {
        "/data/train/0/é.jpg": pairs
    }
