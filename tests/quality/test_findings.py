"""Quality of small tables with known errors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.quality import landmarks
from faceml.quality.findings import assess_quality, read_quality
from faceml.quality.landmarks import BIN_DEG, MOST_DEG
from faceml.quality.plausibility import ShapeModel
from faceml.reporting.extraction.quality_tables import quality_tables
from faceml.runs.files import QUALITY_FILE
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from tests.crowd_table import NAMES, write_crowd_table

SCHEMA = landmark_schema(table_metadata({"name": "drawn"}, {}, "0"))
FACE = np.array(
    [
        *[(0.25, 0.35), (0.42, 0.36), (0.58, 0.36), (0.75, 0.35), (0.5, 0.55)],
        *[(0.5, 0.62), (0.36, 0.76), (0.64, 0.76), (0.5, 0.71), (0.5, 0.84)],
    ]
)
FLIPPED = FACE[[3, 2, 1, 0, 4, 5, 7, 6, 8, 9]]
EMPTY = b"e" * 32


def content(name: str) -> bytes:
    return name.encode().ljust(32)


def face(image_id: str, points: Any = FACE, **values: Any) -> dict[str, Any]:
    """Return a row of an image twice as wide as high; its hash and content are its name's by default."""
    return {
        "image_id": image_id,
        "folder": image_id.partition("/")[0],
        "status": "ok",
        "width": 200,
        "height": 100,
        "landmarks_10": (points * [0.5, 1]).ravel(),
        "yaw_deg": 0.0,
        "pitch_deg": 0.0,
        "roll_deg": 0.0,
        "content_sha256": content(image_id),
        "dhash": int.from_bytes(image_id.encode()[-8:], "big"),
        **values,
    }


def faces(number: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    angles = generator.normal([5, -10, 0], [30, 5, 60], (number, 3))
    return [
        face(
            f"{row % 3}/face_{row:04}.jpg",
            FACE + generator.normal(0, 0.01, FACE.shape),
            **dict(zip(("yaw_deg", "pitch_deg", "roll_deg"), pose, strict=True)),
            dhash=int(generator.integers(2**63)),
        )
        for row, pose in enumerate(angles)
    ]


def written(rows: list[dict[str, Any]], folder: Path) -> str:
    write_shard(rows, SCHEMA, folder / "part.parquet")
    return str(folder)


def test_assess_quality__pose_is_numpys(tmp_path: Path) -> None:
    rows = faces(300)
    quality = assess_quality(written(rows, tmp_path), [], 2, 0)
    assert quality.faces == 300
    assert [angle.name for angle in quality.pose] == ["yaw", "pitch", "roll"]
    for angle in quality.pose:
        degrees = np.array([row[f"{angle.name}_deg"] for row in rows])
        expected = [np.percentile(degrees, share) for share in (5, 25, 50, 75, 95)]
        assert angle.percentiles_deg == pytest.approx(expected, abs=0.01)
        assert angle.turned == pytest.approx(np.mean([abs(value) > 30 for value in degrees]))
        for place, low in enumerate(range(-MOST_DEG, MOST_DEG, BIN_DEG)):
            inside = [low <= value < low + BIN_DEG for value in np.clip(degrees, -89.9, 89.9)]
            assert angle.counts[place] == sum(inside)


def test_assess_quality__the_wrong_landmarks_are_named(tmp_path: Path) -> None:
    rows = [*faces(100), face("1/wrong.jpg", FLIPPED, dhash=1), {"image_id": "1/x", "folder": "1"}]
    rows[-1]["status"] = "no_face"
    quality = assess_quality(written(rows, tmp_path), [], 2, 4)
    assert quality.faces == 101
    assert quality.least_plausible[0].image_id == "1/wrong.jpg"
    distances = [image.distance for image in quality.least_plausible]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == 4
    assert distances[0] > 2 * quality.median_distance > 0


def test_assess_quality__fits_to_every_so_many_faces_by_name_and_measures_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmarks, "MOST_FITTED", 60)
    monkeypatch.setattr(landmarks, "FACES_AT_ONCE", 64)
    rows = [*faces(299), face("1/wrong.jpg", FLIPPED)]
    for number, part in enumerate((rows[200:], rows[:90], rows[90:200])):
        write_shard(part, SCHEMA, tmp_path / f"part-{number}.parquet")
    quality = assess_quality(tmp_path, [], 2, 20)
    rows.sort(key=lambda row: row["image_id"])
    points = np.array([row["landmarks_10"] for row in rows], dtype=np.float32).reshape(-1, 10, 2) * [200, 100]
    pose_deg = np.array([[row["yaw_deg"], row["pitch_deg"]] for row in rows], dtype=np.float32)
    distances = ShapeModel.fit(points[::5], pose_deg[::5]).distances(points, pose_deg)
    assert quality.median_distance == pytest.approx(np.median(distances), abs=6e-4)
    farthest = np.argsort(-distances, kind="stable")[:20]
    assert [each.image_id for each in quality.least_plausible] == [rows[i]["image_id"] for i in farthest]
    assert [each.distance for each in quality.least_plausible] == pytest.approx(distances[farthest], abs=6e-4)


def test_assess_quality__shape_is_judged_in_pixels_not_in_fractions_of_the_sides(tmp_path: Path) -> None:
    portrait = {"width": 100, "height": 200}
    rows = faces(100)
    for row in rows[:50]:
        points = np.reshape(row["landmarks_10"], (-1, 2)) * [2, 0.5]
        row.update(portrait, landmarks_10=points.ravel())
    quality = assess_quality(written(rows, tmp_path), [], 2, 1)
    assert quality.least_plausible[0].distance < 2 * quality.median_distance


def test_assess_quality__near_duplicates_of_each_other_table(tmp_path: Path) -> None:
    here = [face("0/a", dhash=0b1111), face("0/b", dhash=2**63), face("0/c", dhash=2**40 - 1)]
    undecodable = {"image_id": "0/d", "folder": "0", "status": "undecodable", "content_sha256": EMPTY}
    there = [
        face("1/p", dhash=0b1110, content_sha256=content("0/a")),
        face("1/q", dhash=0b1100),
        face("1/r", dhash=2**63 | 0b11100000),
        undecodable | {"image_id": "1/s"},
    ]
    elsewhere = [face("2/x", dhash=2**63 | 1)]
    others = [written(there, tmp_path / "val"), written(elsewhere, tmp_path / "test")]
    quality = assess_quality(written([*here, undecodable], tmp_path / "train"), others, 2, 0)
    first, second = quality.overlaps
    assert (first.table, first.name, second.name) == (others[0], "val", "test")
    assert [(pair.image_id, pair.other_id, pair.bits) for pair in first.pairs] == [
        ("0/a", "1/p", 1),
        ("0/a", "1/q", 2),
    ]
    assert (first.num_pairs, first.images, first.near, first.identical) == (2, (3, 3), (1, 2), 1)
    assert [(pair.image_id, pair.other_id) for pair in second.pairs] == [("0/b", "2/x")]
    assert second.identical == 0


def test_assess_quality__same_file_under_several_labels_unless_it_is_no_image(tmp_path: Path) -> None:
    rows = [
        face("0/a", content_sha256=content("x")),
        face("1/b", content_sha256=content("x")),
        face("2/c", content_sha256=content("y")),
        face("2/d", content_sha256=content("y")),
        *(
            {"image_id": f"{n}/e", "folder": n, "status": "empty_file", "content_sha256": EMPTY}
            for n in "012"
        ),
    ]
    quality = assess_quality(written(rows, tmp_path), [], 2, 0)
    assert (quality.num_conflicts, quality.conflicts) == (1, (("0/a", "1/b"),))


def test_assess_quality__other_table_that_is_not_there(tmp_path: Path) -> None:
    table = written([face("0/a")], tmp_path / "train")
    with pytest.raises(ConfigError, match="nowhere"):
        assess_quality(table, [str(tmp_path / "nowhere")], 2, 0)


@pytest.mark.parametrize("status", ["no_face", "undecodable"])
def test_assess_quality__table_without_any_face(tmp_path: Path, status: str) -> None:
    table = written([{"image_id": "0/a", "folder": "0", "status": status}], tmp_path / "train")
    quality = assess_quality(table, [table], 2, 24)
    assert (quality.faces, quality.pose, quality.least_plausible, quality.num_conflicts) == (0, (), (), 0)
    assert quality.overlaps[0].images == (0, 0)
    assert len(quality_tables(quality)) == 1


def test_read_quality__gives_back_what_was_written(tmp_path: Path) -> None:
    collapsed = face("2/point.jpg", np.full_like(FACE, 0.5), content_sha256=content("0/face_0000.jpg"))
    table = written([*faces(20), collapsed], tmp_path / "table")
    quality = assess_quality(table, [table], 2, 5)
    assert quality.least_plausible[0].image_id == "2/point.jpg"
    assert read_quality(tmp_path) is None
    text = json.dumps(quality.as_json(), allow_nan=False)
    (tmp_path / QUALITY_FILE).write_text(text)
    assert read_quality(tmp_path) == quality


def test_quality_tables__hold_the_findings(tmp_path: Path) -> None:
    rows = [
        *(face(f"0/{n}.jpg", content_sha256=content("x"), dhash=7) for n in range(3)),
        *(face(f"{n}/{n}.jpg", content_sha256=content("x"), dhash=7) for n in range(1, 4)),
    ]
    table = written(rows, tmp_path / "train")
    tables = quality_tables(assess_quality(table, [table], 0, 24))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*tables)
    text = capture.get().replace("\N{NO-BREAK SPACE}", " ")
    assert "yaw, to the right" in text
    assert "6 of 6" in text
    assert "Near-duplicates in train, 10 of 36" in text
    assert "neutral, happy, sad, surprise" in text
    assert "0/0.jpg, 0/1.jpg, 0/2.jpg, 1/1.jpg and 2 more" in text
    assert len(tables[-1].rows) == 5
    # File names are aligned to the left, numbers to the right.
    assert [tables[-1].is_numeric(column) for column in (0, 1)] == [False, True]


def test_assess_quality__of_all_faces_compares_images_and_judges_faces(tmp_path: Path) -> None:
    table = str(write_crowd_table(tmp_path) / "table")
    quality = assess_quality(table, [table], 0, 3)
    assert quality.faces == 6
    (overlap,) = quality.overlaps
    assert overlap.images == (4, 4)
    assert (overlap.identical, overlap.num_pairs, overlap.near) == (4, 4, (4, 4))
    assert quality.num_conflicts == 0
    assert len({face.image_id for face in quality.least_plausible} & set(NAMES)) == 3
