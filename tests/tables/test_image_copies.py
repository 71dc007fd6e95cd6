"""Copies of a table's images, read in any order."""

import logging
import pickle
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.tables.face_rows import face_names
from faceml.tables.image_copies import ImageCopies
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from tests.crowd_table import write_crowd_table

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_image=True)
COPIES = {f"{number % 8}/{number}.jpg": bytes([number]) * (1 + 37 * number) for number in range(150)}


def write(table: Path, shard: str, images: dict[str, bytes | None]) -> None:
    rows = [
        {"image_id": name, "folder": name[0], "status": "ok", "image_jpeg": i} for name, i in images.items()
    ]
    write_shard(rows, SCHEMA, table / shard)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    names = list(COPIES)
    for shard, part in (("b.parquet", names[:90]), ("a.parquet", names[90:])):
        write(tmp_path / "table", shard, {name: COPIES[name] for name in part})
    return tmp_path / "table"


def copies(table: Path, names: Sequence[str]) -> ImageCopies:
    return ImageCopies(table, list(names), table.parent / "cache")


def test_image_copies__gives_each_row_its_bytes_whatever_the_order(table: Path) -> None:
    names = sorted(COPIES)[::2]
    read = copies(table, names)
    for index in (len(names) - 1, 0, 40, 7):
        assert read(index) == COPIES[names[index]]
    assert [read(index) for index in range(len(names))] == [COPIES[name] for name in names]


def test_image_copies__an_image_without_a_copy_is_empty(table: Path) -> None:
    write(table, "c.parquet", {"0/none.jpg": None})
    assert copies(table, ["0/none.jpg", "1/1.jpg"])(0) == b""
    assert copies(table, ["0/none.jpg", "1/1.jpg"])(1) == COPIES["1/1.jpg"]


def test_image_copies__are_laid_out_once_and_again_when_the_table_changes(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        assert copies(table, ["1/1.jpg"])(0) == COPIES["1/1.jpg"]
    assert caplog.text.count("once") == 1
    write(table, "a.parquet", {"1/1.jpg": b"changed"})
    (table / "b.parquet").unlink()
    assert copies(table, ["1/1.jpg"])(0) == b"changed"
    assert caplog.text.count("once") == 2
    assert len(list((table.parent / "cache" / "copies").glob("*.jpegs"))) == 1, (
        "those of the former table are gone"
    )


def test_image_copies__of_a_table_in_a_store_are_laid_out_here_and_again_when_it_changes(
    table: Path, in_s3: Callable[[Path], str]
) -> None:
    names = ["1/1.jpg", "5/149.jpg"]
    uri, cache = in_s3(table), table.parent / "cache"
    read = ImageCopies(uri, names, cache)
    assert [read(index) for index in (0, 1)] == [COPIES[name] for name in names]
    write(table, "a.parquet", {"5/149.jpg": b"changed"})
    assert in_s3(table) == uri
    assert ImageCopies(uri, names, cache)(1) == b"changed"
    assert len(list((cache / "copies").glob("*.jpegs"))) == 1


def test_image_copies__what_a_killed_or_cleaning_process_left_is_made_whole(table: Path) -> None:
    assert copies(table, ["1/1.jpg"])(0) == COPIES["1/1.jpg"]
    folder = table.parent / "cache" / "copies"
    (flat,) = folder.glob("*.jpegs")
    flat.unlink()
    half = folder / f".{flat.name}.0123456789abcdef.partial"
    half.write_bytes(b"half")
    assert copies(table, ["1/1.jpg"])(0) == COPIES["1/1.jpg"]
    assert not half.exists()


def test_image_copies__travel_to_another_process(table: Path) -> None:
    read = copies(table, sorted(COPIES))
    read.prepare()
    sent = pickle.dumps(read)
    assert len(sent) < 20_000, "names and places, no images"
    assert pickle.loads(sent)(5) == read(5)


def first_bytes(read: ImageCopies) -> bytes:
    return read(3)


def test_image_copies__several_processes_at_once_find_them_whole(table: Path) -> None:
    read = copies(table, sorted(COPIES))
    with get_context("spawn").Pool(3) as pool:
        found = pool.map(first_bytes, [read] * 6)
    assert found == [COPIES[sorted(COPIES)[3]]] * 6


def test_image_copies__a_table_without_any_is_refused(tmp_path: Path) -> None:
    write_shard(
        [], landmark_schema(table_metadata({"name": "test"}, {}, "0")), tmp_path / "table" / "a.parquet"
    )
    with pytest.raises(ConfigError, match="has no column image_jpeg"):
        copies(tmp_path / "table", ["1/1.jpg"])


def test_image_copies__are_for_their_user_only(table: Path) -> None:
    folder = table.parent / "cache" / "copies"
    folder.mkdir(parents=True, mode=0o755)  # as an earlier version made it
    copies(table, ["1/1.jpg"])(0)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [file for file in folder.iterdir() if file.suffix in (".jpegs", ".places")]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_image_copies__of_all_faces_gives_each_face_its_own(tmp_path: Path) -> None:
    root = write_crowd_table(tmp_path)
    rows = read_table(root / "table", ["image_jpeg"])
    read = ImageCopies(root / "table", face_names(rows).to_pylist(), tmp_path / "cache")
    assert [read(index) for index in range(rows.num_rows)] == [copy or b"" for copy in rows[2].to_pylist()]
    assert len(set(rows[2].to_pylist())) == 5, "three colours, an image without faces, and none"
