"""Every kind of file becomes a row, and rows become a table."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from faceml.extraction.row_extractor import Row
from faceml.images.alignment import align_face
from faceml.images.box import crop_landmarks
from faceml.images.decoding import RgbImage, decode_image, difference_hash
from faceml.images.limits import DecodeLimits
from faceml.landmarks.extractor import LandmarkExtractor
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.landmarks.options import DetectorOptions, ExtractorSettings
from faceml.landmarks.training_copy import EmbedOptions
from faceml.storage.folder import StorageFolder
from faceml.storage.listing import StoredFile
from faceml.synthetic.generate import generate_faces
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from tests.drawn_dogs import draw_dog

Portrait = tuple[RgbImage, npt.NDArray[np.float32]]
METADATA = table_metadata({"name": "mediapipe"}, {}, "0")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def row_of(extractor: LandmarkExtractor, root: Path, image_id: str) -> Row:
    """Return the row of a file as it is read from its folder."""
    path = root / image_id
    size = path.stat().st_size if path.exists() else 0
    (row,) = extractor.detect(StoredFile(image_id, size, 7), StorageFolder(root).read(image_id))
    return row


def sixteen_bit(image: Image.Image) -> bytes:
    gray = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(gray), "PNG")


# What a file holds, and the status and number of faces of its row.
FILES: dict[str, tuple[Callable[[Image.Image], bytes], str, int | None]] = {
    "plain.jpg": (lambda face: encoded(face, "JPEG"), "ok", 1),
    "Größe 1 – ün émotion.jpg": (lambda face: encoded(face, "JPEG"), "ok", 1),
    "顔.PNG": (lambda face: encoded(face, "PNG"), "ok", 1),
    "gray.jpg": (lambda face: encoded(face.convert("L"), "JPEG"), "ok", 1),
    "cmyk.jpg": (lambda face: encoded(face.convert("CMYK"), "JPEG"), "ok", 1),
    "16bit.png": (sixteen_bit, "ok", 1),
    "a_png.jpg": (lambda face: encoded(face, "PNG"), "ok", 1),
    "one_pixel.png": (lambda _: encoded(Image.new("RGB", (1, 1)), "PNG"), "no_face", 0),
    "wall.webp": (lambda _: encoded(Image.new("RGB", (90, 60), "gray"), "WEBP"), "no_face", 0),
    "empty.jpg": (lambda _: b"", "empty_file", None),
    "text.jpg": (lambda _: b"This is no picture.\n", "undecodable", None),
    "truncated.jpg": (lambda face: encoded(face, "JPEG")[:-3000], "undecodable", None),
    "truncated.png": (lambda face: encoded(face, "PNG")[:-3000], "undecodable", None),
    "huge.jpg": (lambda face: encoded(face.resize((800, 800)), "JPEG"), "too_large", None),
}


@pytest.fixture(scope="module")
def folder(portrait: Portrait, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces of a person")
    (root / "3").mkdir()
    for name, (content, _, _) in FILES.items():
        (root / "3" / name).write_bytes(content(Image.fromarray(portrait[0])))
    (root / "3" / "folder.jpg").mkdir()
    (root / "3" / "dangling.jpg").symlink_to(root / "nowhere")
    return root


@pytest.fixture(scope="module")
def rows(folder: Path, detector: MediaPipeDetector) -> dict[str, dict[str, Any]]:
    extractor = LandmarkExtractor(
        detector, DecodeLimits(max_pixels=500_000), store_mesh=True, embed=EmbedOptions(64, 95)
    )
    names = [*FILES, "folder.jpg", "dangling.jpg", "vanished.jpg"]
    return {name: row_of(extractor, folder, f"3/{name}") for name in names}


@pytest.mark.parametrize("name", FILES)
def test_row__every_file_gets_its_status(name: str, rows: dict[str, dict[str, Any]], folder: Path) -> None:
    row, (_, status, faces) = rows[name], FILES[name]
    assert row["image_id"] == f"3/{name}"
    assert row["status"] == status
    assert row.get("num_faces") == faces
    assert row["content_sha256"] == hashlib.sha256((folder / "3" / name).read_bytes()).digest()
    assert ("width" in row) == ("dhash" in row) == ("image_jpeg" in row) == (status in ("ok", "no_face"))
    assert ("landmarks_5" in row) == ("mesh" in row) == ("yaw_deg" in row) == (status == "ok")


@pytest.mark.parametrize("name", ["folder.jpg", "dangling.jpg", "vanished.jpg"])
def test_row__what_cannot_be_read_has_a_row_too(name: str, rows: dict[str, dict[str, Any]]) -> None:
    known = {"image_id": f"3/{name}", "status": "unreadable"}
    assert {column: rows[name][column] for column in known} == known
    assert rows[name].keys() == known.keys() | {"file_bytes", "modified_ns"}


def test_row__landmarks_are_where_the_face_is_drawn_whatever_the_format(
    rows: dict[str, dict[str, Any]], portrait: Portrait
) -> None:
    drawn = portrait[1]
    for name, (_, status, _) in FILES.items():
        if status == "ok":
            error = np.abs(rows[name]["landmarks_10"].reshape(10, 2) - drawn).mean()
            assert error < 0.02, name


def test_row__says_the_size_of_the_source(
    tmp_path: Path, portrait: Portrait, detector: MediaPipeDetector
) -> None:
    wide = Image.fromarray(portrait[0][40:280])
    (tmp_path / "wide.png").write_bytes(encoded(wide, "PNG"))
    row = row_of(LandmarkExtractor(detector), tmp_path, "wide.png")
    assert (row["width"], row["height"]) == (320, 240)
    expected = (portrait[1] * 320 - (0, 40)) / (320, 240)
    assert np.abs(row["landmarks_10"].reshape(10, 2) - expected).mean() < 0.02, "divided by width and height"
    assert row["dhash"] == difference_hash(np.asarray(wide))
    assert "mesh" not in row
    assert "image_jpeg" not in row


def test_rows__come_back_from_a_table_as_they_were(rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    schema = landmark_schema(METADATA, with_mesh=True, with_image=True)
    rows = {name: row | {"folder": "3"} for name, row in rows.items()}
    write_shard(list(rows.values()), schema, tmp_path / "table" / "part-0.parquet")
    table = read_table(tmp_path / "table")
    assert table.schema.equals(schema)
    assert table.schema.metadata == schema.metadata
    assert table.num_rows == len(rows)
    for stored in table.to_pylist():
        row = rows[stored["image_id"].removeprefix("3/")]
        for column, value in stored.items():
            if value is None:
                assert column not in row
            elif column in ("landmarks_5", "landmarks_10", "mesh"):
                np.testing.assert_array_equal(np.array(value, dtype=row[column].dtype), row[column])
            elif column in ("yaw_deg", "pitch_deg", "roll_deg"):
                assert value == pytest.approx(row[column], rel=1e-6)
            else:
                assert value == row[column]
    mesh = table["mesh"].to_pylist()[table["image_id"].to_pylist().index("3/plain.jpg")]
    assert len(mesh) == 478 * 3
    five = np.array(mesh).reshape(478, 3)[[4, 61, 291], :2]
    np.testing.assert_allclose(five, rows["plain.jpg"]["landmarks_5"].reshape(5, 2)[2:], atol=5e-4)


def test_row__the_embedded_copy_is_the_image_scaled_down(
    rows: dict[str, dict[str, Any]], portrait: Portrait
) -> None:
    copy = decode_image(rows["plain.jpg"]["image_jpeg"])
    assert isinstance(copy, np.ndarray)
    assert copy.shape == (64, 64, 3)
    small = portrait[0].reshape(64, 5, 64, 5, 3).mean(axis=(1, 3))
    assert np.abs(copy - small).mean() < 6
    wall = decode_image(rows["wall.webp"]["image_jpeg"])
    assert isinstance(wall, np.ndarray)
    assert wall.shape == (43, 64, 3)


def test_row__a_copy_cut_to_the_face_goes_with_its_landmarks(
    tmp_path: Path, portrait: Portrait, detector: MediaPipeDetector
) -> None:
    wide = np.full((320, 640, 3), 128, dtype=np.uint8)
    wide[:, 320:] = portrait[0]
    (tmp_path / "wide.png").write_bytes(encoded(Image.fromarray(wide), "PNG"))
    extractor = LandmarkExtractor(detector, embed=EmbedOptions(size=1000, quality=95, crop_margin=0.1))
    row = row_of(extractor, tmp_path, "wide.png")
    copy = decode_image(row["image_jpeg"])
    assert isinstance(copy, np.ndarray)
    assert copy.shape[0] == copy.shape[1] < 320, "a square, not scaled up"
    x0, y0, x1, y1 = np.round(np.array(row["crop_box"]) * (640, 320, 640, 320)).astype(int)
    assert (x1 - x0, y1 - y0) == copy.shape[:2]
    # Where the square lies inside the image it shows just that part of it.
    shown = wide[max(y0, 0) : y1, max(x0, 0) : x1]
    part = copy[max(0, -y0) :, max(0, -x0) :][: shown.shape[0], : shown.shape[1]]
    assert np.abs(part.astype(int) - shown).mean() < 3
    points = row["landmarks_10"].reshape(10, 2)
    in_crop = crop_landmarks(points, np.array(row["crop_box"]))
    assert in_crop.min() > 0
    assert in_crop.max() < 1
    np.testing.assert_allclose(in_crop * copy.shape[0] + (x0, y0), points * (640, 320), atol=0.01)


def test_row__an_image_without_a_face_is_never_cut(tmp_path: Path, detector: MediaPipeDetector) -> None:
    (tmp_path / "wall.png").write_bytes(encoded(Image.new("RGB", (90, 60), "gray"), "PNG"))
    extractor = LandmarkExtractor(detector, embed=EmbedOptions(size=64, quality=95, crop_margin=0.1))
    row = row_of(extractor, tmp_path, "wall.png")
    assert "crop_box" not in row
    assert Image.open(io.BytesIO(row["image_jpeg"])).size == (64, 43)


def test_row__an_aligned_copy_is_the_face_on_the_template(
    tmp_path: Path, portrait: Portrait, detector: MediaPipeDetector
) -> None:
    (tmp_path / "face.png").write_bytes(encoded(Image.fromarray(portrait[0]), "PNG"))
    row = row_of(LandmarkExtractor(detector, embed=EmbedOptions(112, 95, align=True)), tmp_path, "face.png")
    points = row["landmarks_5"].reshape(5, 2).astype(np.float64)
    copy = decode_image(row["image_jpeg"])
    assert isinstance(copy, np.ndarray)
    assert np.abs(copy.astype(int) - align_face(portrait[0], points)).mean() < 3
    assert "crop_box" not in row


@pytest.mark.parametrize("face_px", [1900, 500])
def test_row__reduced_decoding_moves_no_landmark_far(
    face_px: int, tmp_path: Path, detector: MediaPipeDetector
) -> None:
    generate_faces(tmp_path / "faces", "affectnet", {"train": 1}, image_size_px=1900, seed=2, processes=1)
    (face,) = (tmp_path / "faces" / "train").rglob("*.jpg")
    photo = Image.new("RGB", (3000, 2000), (120, 130, 110))
    photo.paste(Image.open(face).resize((face_px, face_px), Image.Resampling.BOX), (600, 50))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    (tmp_path / "photo.jpg").write_bytes(encoded(turned, "JPEG", quality=92, exif=exif))
    full = row_of(LandmarkExtractor(detector), tmp_path, "photo.jpg")
    reduced = row_of(LandmarkExtractor(detector, reduce=True), tmp_path, "photo.jpg")
    assert (reduced["width"], reduced["height"]) == (full["width"], full["height"]) == (3000, 2000)
    there, here = (row["landmarks_5"].reshape(5, 2) * (3000, 2000) for row in (full, reduced))
    between_eyes = np.linalg.norm(there[0] - there[1])
    assert np.linalg.norm(there - here, axis=1).mean() < 0.01 * between_eyes


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int, int]]]:
    """Return a folder with an image of three faces and one of a wall, and where the faces are, in px."""
    root = tmp_path_factory.mktemp("crowd")
    generate_faces(root / "faces", "affectnet", {"train": 3}, image_size_px=300, seed=4, processes=1)
    portraits = sorted((root / "faces" / "train").rglob("*.jpg"))
    squares = [(20, 60, 200), (420, 30, 300), (250, 150, 140)]
    image = Image.new("RGB", (800, 420), (120, 130, 110))
    for portrait, (left, top, side) in zip(portraits, squares, strict=True):
        image.paste(Image.open(portrait).resize((side, side), Image.Resampling.BOX), (left, top))
    (root / "crowd.png").write_bytes(encoded(image, "PNG"))
    (root / "wall.png").write_bytes(encoded(Image.new("RGB", (90, 60), "gray"), "PNG"))
    return root, squares


@pytest.mark.parametrize(("keep_central", "order"), [(False, [1, 0, 2]), (True, [2, 1, 0])])
def test_rows__all_faces_of_an_image_in_the_order_of_the_face_to_keep(
    keep_central: bool,
    order: list[int],
    crowd: tuple[Path, list[tuple[int, int, int]]],
    model_bundle: Path,
    tmp_path: Path,
) -> None:
    root, squares = crowd
    settings = ExtractorSettings(
        str(root),
        DetectorOptions(model_bundle, max_faces=0, zoom_levels=2),
        keep_central=keep_central,
        all_faces=True,
        embed=EmbedOptions(300, 95, crop_margin=0.0),
    )
    files = {file.path: file for file in StorageFolder(root).walk()}
    with settings.open() as extractor:
        rows, (wall,) = (
            extractor.detect(files[name], (root / name).read_bytes()) for name in ("crowd.png", "wall.png")
        )
    assert [row["face"] for row in rows] == [0, 1, 2]
    shared = {"image_id": "crowd.png", "status": "ok", "width": 800, "height": 420, "num_faces": 3}
    for row, place in zip(rows, order, strict=True):
        assert {name: row[name] for name in shared} == shared
        left, top, side = squares[place]
        x0, y0, x1, y1 = np.array(row["box"]) * (800, 420, 800, 420)
        assert left < (x0 + x1) / 2 < left + side
        assert top < (y0 + y1) / 2 < top + side
        assert 0.4 * side < max(x1 - x0, y1 - y0) < 1.1 * side
        inside = row["landmarks_5"].reshape(5, 2) * (800, 420)
        assert ((inside > (x0, y0)) & (inside < (x1, y1))).all()
        copy = decode_image(row["image_jpeg"])
        assert isinstance(copy, np.ndarray)
        assert copy.shape[0] == copy.shape[1] == pytest.approx(max(x1 - x0, y1 - y0), abs=1)
    assert ("face" in wall, wall["num_faces"], wall["status"]) == (False, 0, "no_face")
    schema = landmark_schema(METADATA, with_faces=True, with_look=True, with_image=True, with_crop=True)
    every = [row | {"folder": ""} for row in [*rows, wall]]
    write_shard(every, schema, tmp_path / "table" / "part-0.parquet")
    assert read_table(tmp_path / "table", [])["face"].to_pylist() == [0, 1, 2, None]


def test_row__of_a_rejected_face_has_its_reason(model_bundle: Path, tmp_path: Path) -> None:
    generate_faces(tmp_path / "faces", "affectnet", {"train": 1}, image_size_px=128)
    (tmp_path / "dog.png").write_bytes(encoded(Image.fromarray(draw_dog(0)), "PNG"))
    (tmp_path / "gray.png").write_bytes(encoded(Image.new("RGB", (90, 60), "gray"), "PNG"))
    face = next(tmp_path.rglob("*.jpg")).relative_to(tmp_path).as_posix()
    found = {}
    for confirm in (False, True):
        options = DetectorOptions(model_bundle, second_look=True, confirm=confirm)
        with ExtractorSettings(str(tmp_path), options).open() as extractor:
            rows = [row_of(extractor, tmp_path, name) for name in ("dog.png", "gray.png", face)]
        found[confirm] = [(row["status"], row["num_faces"], row.get("num_rejected")) for row in rows]
        if confirm:
            schema = landmark_schema(METADATA, with_look=True, with_rejected=True)
            write_shard([row | {"folder": ""} for row in rows], schema, tmp_path / "table" / "part-0.parquet")
    assert found[False] == [("ok", 1, None), ("no_face", 0, None), ("ok", 1, None)]
    (status, faces, rejected), *others = found[True]
    assert (status, faces) == ("no_face", 0)
    assert rejected >= 1, "the first look, and each second look that finds the dog again"
    assert others == [("no_face", 0, 0), ("ok", 1, 0)]
    stored = read_table(tmp_path / "table", ["image_id", "num_rejected"])
    assert stored["num_rejected"].to_pylist()[0] == rejected
