import io
import json
import logging
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.config.sections.tasks import LandmarksConfig
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.extraction.file_lists import encode_files
from faceml.storage.roots import StorageRoots
from faceml.tables.image_listing import list_images
from faceml.tables.sorted_rows import read_table
from faceml.tasks.landmarks import LandmarksTask
from ray_jobs.local import forgetting
from ray_jobs.tables import dry_run, extraction
from ray_jobs.tables.extraction_job import build_extraction_job
from ray_jobs.tables.shard_actor import ShardActor, read_result
from tests.fragile_extractor import FragileSettings

pytestmark = pytest.mark.usefixtures("ray_cluster")


def _config(root: Path, table: Path, **sections: Any) -> ExtractConfig:
    """One actor, because a second one starts for longer than it works here."""
    output = {"table": str(table)} | sections.pop("output", {})
    landmarker = {"actors": 1} | sections.pop("landmarker", {})
    parts = {"data": {"root": str(root)}, "output": output, "landmarker": landmarker}
    return parse_config(ExtractConfig, parts | sections)


def _encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def awkward(faces: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder of what lies about in real ones, and the status that each file deserves."""
    face = Image.open(next((faces / "train" / "0").glob("*.jpg")))
    jpeg = _encoded(face, "JPEG")
    sixteen_bit = Image.fromarray(np.asarray(face.convert("L"), dtype=np.uint16) * 257)
    files: dict[str, tuple[bytes, str]] = {
        "0/plain.jpg": (jpeg, "ok"),
        "0/empty.jpg": (b"", "empty_file"),
        "0/text.jpg": (b"not an image at all", "undecodable"),
        "0/truncated.jpg": (jpeg[: len(jpeg) // 2], "undecodable"),
        "0/pixel.png": (_encoded(Image.new("RGB", (1, 1)), "PNG"), "no_face"),
        "1/gray.jpg": (_encoded(face.convert("L"), "JPEG"), "ok"),
        "1/cmyk.jpg": (_encoded(face.convert("CMYK"), "JPEG"), "ok"),
        "1/sixteen_bit.png": (_encoded(sixteen_bit, "PNG"), "ok"),
        "2/ein Gesicht, schön 顔.jpg": (jpeg, "ok"),
        "2/UPPER.JPG": (jpeg, "ok"),
        "2/nobody.png": (_encoded(Image.new("RGB", (128, 128), "gray"), "PNG"), "no_face"),
    }
    root = tmp_path / "faces"
    for name, (data, _) in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "2" / "notes.txt").write_text("no image by its name")
    (root / "2" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    return root, {name: status for name, (_, status) in files.items()} | {"2/gone.jpg": "unreadable"}


def test_extract__gives_every_file_a_row_with_the_right_status(
    awkward: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, expected = awkward
    summary, _ = extraction.run(_config(root, tmp_path / "table"))
    rows = read_table(tmp_path / "table").to_pylist()
    assert {row["image_id"]: row["status"] for row in rows} == expected
    for row in rows:
        assert row["folder"] == row["image_id"][0]
        assert (
            (row["landmarks_5"] is not None) == (row["landmarks_10"] is not None) == (row["status"] == "ok")
        )
        assert (row["width"] is not None) == (row["status"] in ("ok", "no_face"))
    written = json.loads((tmp_path / "table_run" / "summary.json").read_text())
    assert written["images"] == len(expected) == summary.images
    assert (written["ok"], written["no_face"], written["undecodable"]) == (6, 2, 2)
    assert written["detection_rate"] == pytest.approx(6 / 12)
    assert written["images_per_second"] > 0
    assert written["wall_s"] > 0


def test_extract__completes_a_table_and_repeats_nothing(faces: Path, tmp_path: Path) -> None:
    root, table = tmp_path / "faces", tmp_path / "table"
    shutil.copytree(faces / "val" / "0", root / "0")
    first, _ = extraction.run(_config(root, table))
    before = {file.name: file.stat().st_mtime_ns for file in table.iterdir()}
    again, _ = extraction.run(_config(root, table))
    assert again.new_images == 0
    assert {file.name: file.stat().st_mtime_ns for file in table.iterdir()} == before
    shutil.copytree(faces / "val" / "1", root / "1")
    added, _ = extraction.run(_config(root, table))
    ids = read_table(table, [])["image_id"].to_pylist()
    assert added.new_images == added.images - first.images > 0
    assert ids == sorted(set(ids))
    assert len(ids) == added.images


def test_extract__changed_and_vanished_images_are_told_or_followed(
    faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, table = tmp_path / "faces", tmp_path / "table"
    shutil.copytree(faces / "val" / "0", root / "0")
    extraction.run(_config(root, table))
    before = read_table(table).to_pylist()
    changed, vanished, *_ = sorted((root / "0").glob("*.jpg"))
    changed.write_bytes(next((faces / "val" / "1").glob("*.jpg")).read_bytes())
    vanished.unlink()
    extraction.run(_config(root, table))
    assert (
        "1 images changed; their rows are kept (update them with output.on_change: re-extract): "
        f"0/{changed.name}" in caplog.text
    )
    assert f"1 images of the table no longer exist; their rows are kept: 0/{vanished.name}" in caplog.text
    assert read_table(table).to_pylist() == before
    caplog.clear()
    extraction.run(_config(root, table, output={"on_change": "re-extract"}))
    assert "1 images to extract, by 1 actors" in caplog.text
    extraction.run(_config(root, tmp_path / "fresh"))
    assert read_table(table).to_pylist() == read_table(tmp_path / "fresh").to_pylist()


def test_extract__a_complete_table_starts_nothing_and_reports_the_same(faces: Path, tmp_path: Path) -> None:
    config = _config(faces / "val" / "2", tmp_path / "table")
    _, quality = extraction.run(config)
    report = (tmp_path / "table_run" / "report.html").stat().st_mtime_ns
    assert extraction.run(config)[1] == quality
    assert (tmp_path / "table_run" / "report.html").stat().st_mtime_ns == report


def test_extract__after_rows_were_deleted_the_results_are_those_of_the_others(
    faces: Path, tmp_path: Path
) -> None:
    root, table = tmp_path / "faces", tmp_path / "table"
    for person in ("0", "1"):
        shutil.copytree(faces / "val" / person, root / person)
    before, _ = extraction.run(_config(root, table))
    forgetting.run("1", [str(table)], [])
    shutil.rmtree(root / "1")
    after, _ = extraction.run(_config(root, table))
    assert after.new_images == 0
    assert after.images == len(list((root / "0").iterdir())) < before.images
    assert json.loads((tmp_path / "table_run" / "summary.json").read_text())["images"] == after.images


def test_shard_actor__returns_why_its_detector_does_not_start(faces: Path, tmp_path: Path) -> None:
    root = faces / "val" / "2"
    job = replace(
        build_extraction_job(_config(root, tmp_path / "table")), extractor=FragileSettings(str(root), "open")
    )
    files = list_images(StorageRoots(root), job.extensions)
    result = ShardActor(job)({"shard": "part-0.parquet", "files": encode_files(files)})
    assert read_result(result).stopped == "model: there is no such file."
    assert not (tmp_path / "table" / "part-0.parquet").exists()


def test_extract__faces_cut_out_are_all_that_training_needs(faces: Path, tmp_path: Path) -> None:
    output = {"embed": {"size": 48, "crop": {"margin": 0.2}}}
    extraction.run(_config(faces / "val", tmp_path / "table", output=output))
    landmarks = LandmarksTask("landmarks", LandmarksConfig(kind="landmarks", points=10))
    cache = tmp_path / "cache"
    dataset = FaceDataset(tmp_path / "table", None, 10, Preprocessing(48), [landmarks], cache=cache)
    points, known = dataset.targets["landmarks"]
    there = points[known]
    assert len(there) > 20
    # The face fills the copy but for the margin of 0.2 of its longer side on each side.
    height = there[..., 1].amax(dim=1) - there[..., 1].amin(dim=1)
    assert 0.3 < height.median() < 1 / 1.4
    assert there.amin() > 0.2 / 1.4 - 0.02
    assert there.amax() < 1.2 / 1.4 + 0.02


def test_extract__refuses_other_tables_that_cannot_be_read_before_it_starts(
    faces: Path, tmp_path: Path
) -> None:
    quality = {"other_tables": [str(tmp_path / "nowhere")]}
    with pytest.raises(ConfigError, match="nowhere: no Parquet files"):
        extraction.run(_config(faces / "val", tmp_path / "table", quality=quality))
    assert not (tmp_path / "table").exists()


def test_extract__refuses_a_table_of_other_settings_by_name(faces: Path, tmp_path: Path) -> None:
    root = faces / "val" / "0"
    extraction.run(_config(root, tmp_path / "table"))
    with pytest.raises(
        ConfigError, match=r"output\.table: .*: landmarker\.max_faces is 5 there and 2 here\. Choose another"
    ):
        extraction.run(_config(root, tmp_path / "table", landmarker={"max_faces": 2}))


def test_extract__refuses_to_mix_two_folders_in_one_table(faces: Path, tmp_path: Path) -> None:
    extraction.run(_config(faces / "val", tmp_path / "table"))
    with pytest.raises(ConfigError, match=r"output\.table: .* has 32 images that are not below data\.root"):
        extraction.run(_config(faces / "train" / "0", tmp_path / "table"))


def test_extract__embeds_copies_that_are_images(faces: Path, tmp_path: Path) -> None:
    output = {"embed": {"size": 64, "quality": 90}, "store_mesh": True}
    extraction.run(_config(faces / "val" / "3", tmp_path / "table", output=output))
    rows = read_table(tmp_path / "table").to_pylist()
    assert {Image.open(io.BytesIO(row["image_jpeg"])).size for row in rows} == {(64, 64)}
    assert {len(row["mesh"]) for row in rows if row["status"] == "ok"} == {478 * 3}


def test_extract__refuses_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"data\.root: no images"):
        extraction.run(_config(tmp_path / "empty", tmp_path / "table"))


def test_extract__names_the_import_of_a_packed_data_set(tmp_path: Path) -> None:
    root = tmp_path / "FERPlus-master"
    root.mkdir()
    for name in ("fer2013new.csv", "fer2013.csv"):
        (root / name).touch()
    config = _config(root, tmp_path / "table")
    command = re.escape(f"`faceml import ferplus {root} OUTPUT`")
    for job in (extraction.run, partial(dry_run, console=Console())):
        with pytest.raises(
            ConfigError,
            match=rf"data\.root: no images below .*: this is FER\+ in its original layout\. Run {command}",
        ):
            job(config)
    assert [path.name for path in tmp_path.iterdir() if path != root] == []


def test_dry_run__names_the_import_of_labels(
    faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "affectnet"
    for split in ("train_set", "val_set"):
        (root / split / "annotations").mkdir(parents=True)
        shutil.copytree(faces / "val/0", root / split / "images")
    with caplog.at_level(logging.INFO):
        dry_run(_config(root, tmp_path / "table"), Console(file=io.StringIO()))
    assert "This is AffectNet in its original layout" in caplog.text
    assert f"To import its labels, run `faceml import affectnet-npy {root} OUTPUT`" in caplog.text


def test_show__warns_of_folders_with_a_low_detection_rate(
    awkward: tuple[Path, dict[str, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = _config(awkward[0], tmp_path / "table")
    summary, quality = extraction.run(config)
    console = Console(record=True, width=100)
    with caplog.at_level(logging.WARNING):
        extraction.show(summary, quality, config, console)
    # Folder 0 has 1 of 5, folder 1 all 3, folder 2 has 2 of 4.
    assert "below 80 % in 2 of 3 folders: 0, 2" in caplog.text
    text = console.export_text()
    assert "50.0% of 12 images have landmarks" in text
    text = text[text.index("Detection rate by folder") :].replace("\N{NO-BREAK SPACE}", "")
    assert text.index("20.0%") < text.index("50.0%") < text.index("100.0%")


def test_extract__all_faces_have_rows_that_training_and_another_run_find(faces: Path, tmp_path: Path) -> None:
    root, table = tmp_path / "faces", tmp_path / "table"
    portraits = [Image.open(file) for file in sorted((faces / "val" / "1").glob("*.jpg"))[:3]]
    sides = {"pair": (128, 200), "three": (220, 128, 170), "nobody": ()}
    for name, given in sides.items():
        crowd = Image.new("RGB", (720, 256), (120, 130, 110))
        for place, (side, portrait) in enumerate(zip(given, portraits, strict=False)):
            crowd.paste(portrait.resize((side, side), Image.Resampling.BOX), (240 * place, 16))
        (root / "1").mkdir(parents=True, exist_ok=True)
        crowd.save(root / "1" / f"{name}.png")
    all_faces = {"landmarker": {"max_faces": 0, "zoom_levels": 2}}
    summary, quality = extraction.run(_config(root, table, **all_faces))
    assert (summary.images, summary.by_status, summary.faces) == (3, {"ok": 2, "no_face": 1}, 5)
    assert quality.faces == 5
    rows = read_table(table, ["num_faces", "box"]).to_pylist()
    found = [(row["image_id"][2:-4], row["face"], row["num_faces"]) for row in rows]
    assert found == [
        ("nobody", None, 0),
        *(("pair", n, 2) for n in (0, 1)),
        *(("three", n, 3) for n in range(3)),
    ]
    for row, place in zip(rows[1:], (1, 0, 0, 2, 1), strict=True):  # the largest first
        left, top, right, bottom = row["box"]
        assert 240 * place < 720 * (left + right) / 2 < 240 * (place + 1)
        assert 0 < top < bottom <= 1
    before = {file.name: file.stat().st_mtime_ns for file in table.iterdir()}
    again, _ = extraction.run(_config(root, table, **all_faces))
    assert again == replace(summary, new_images=0, images_per_second=0.0, wall_s=again.wall_s)
    assert {file.name: file.stat().st_mtime_ns for file in table.iterdir()} == before
    landmarks = LandmarksTask("landmarks", LandmarksConfig(kind="landmarks", points=5))
    seen = FaceDataset(table, root, 5, Preprocessing(64), [landmarks]).targets["landmarks"]
    assert seen.known.tolist() == [False] + [True] * 5
    # The box of the mesh has 2/3 of the side that is cut out; the five points are in its middle half.
    assert seen.values[1:].amin() > 0.2
    assert seen.values[1:].amax() < 0.8
    with pytest.raises(ConfigError, match=r"landmarker\.max_faces is 0 there and 5 here"):
        extraction.run(_config(root, table, landmarker={"zoom_levels": 2}))
