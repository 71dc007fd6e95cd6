"""`faceml predict` in separate processes: output and files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from faceml.config.config_error import ConfigError
from faceml.images.decoding import RgbImage, decode_image, encode_jpeg
from faceml.prediction.input_images import InputImage
from ray_jobs.local.prediction import refuse_overwriting
from tests.job import REPOSITORY
from tests.prediction.conftest import CORNERS, drawn, framing, photo, run_folder  # noqa: F401 - fixtures


def _predict(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ray_jobs.predict", *arguments]
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def album(photo: RgbImage, tmp_path: Path) -> Path:  # noqa: F811
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG")
    (folder / "two.jpg").write_bytes(encode_jpeg(photo, 95))
    return folder


def test_predict__prints_a_line_for_each_image_and_nothing_else(run_folder: Path, album: Path) -> None:  # noqa: F811
    done = _predict(str(album), "--model", str(run_folder), "--set", "faces.max_faces=1")
    assert done.returncode == 0, done.stderr
    broken, two = map(json.loads, done.stdout.splitlines())
    assert (broken["image"], broken["status"]) == (str(album / "broken.png"), "undecodable")
    assert (two["status"], len(two["faces"])) == ("ok", 1)
    assert f"1 images have no prediction: {album}/broken.png (undecodable)" in done.stderr


def test_predict__writes_a_table_and_pictures_but_one_that_cannot_be_written(
    run_folder: Path,  # noqa: F811
    album: Path,
    tmp_path: Path,
) -> None:
    names = ["f" * 234 + ".jpg", "g" * 251 + ".png"]
    for name in names:
        shutil.copy(album / "two.jpg", album / name)
    table, overlays = tmp_path / "p.parquet", tmp_path / "overlays"
    done = _predict(str(album), "--model", str(run_folder), "--output", str(table), "--draw", str(overlays))
    assert done.returncode == 0, done.stderr
    assert "4 images: 3 ok, 1 undecodable" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Results: {table}"
    rows = pq.read_table(table).to_pylist()
    assert [len(row["faces"]) for row in rows] == [0, 2, 2, 2]
    assert sorted(file.name for file in overlays.iterdir()) == [names[0], "two.jpg"]
    assert (
        f"{album}/{names[1]}: the drawn copy could not be written: [Errno 36] File name too long"
        in done.stderr
    )
    overlay = decode_image((overlays / "two.jpg").read_bytes())
    original = decode_image((album / "two.jpg").read_bytes())
    assert not isinstance(overlay, str)
    assert not isinstance(original, str)
    changed = np.abs(overlay.astype(int) - original).max(axis=2) > 60
    for x, y in CORNERS:
        assert (
            changed[y - 35 : y + 205, x - 15 : x + 205].mean() > 0.02
        )  # the label above the box, most of all
    assert not changed[:, 260:300].any()


def test_refuse_overwriting__the_folder_of_the_images_is_no_place_for_copies(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    images = [InputImage(str(tmp_path / "a.jpg"), "a.jpg")]
    refuse_overwriting(images, tmp_path / "elsewhere")
    for folder in (tmp_path, tmp_path / "link"):
        with pytest.raises(ConfigError, match=r"output\.drawn: .* holds a\.jpg, which is among the images"):
            refuse_overwriting(images, folder)
