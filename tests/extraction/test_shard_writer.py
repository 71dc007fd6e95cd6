import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from faceml.extraction.shard_writer import ShardWriter
from faceml.storage.folder import StorageFolder
from faceml.storage.listing import StoredFile
from faceml.storage.roots import StorageRoots
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table

SCHEMA = landmark_schema(table_metadata({"name": "none"}, {}, "0"))
NAME = "part.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / "faces").mkdir(exist_ok=True)
        (tmp_path / "faces" / name).write_text(name)
    return tmp_path / "faces"


class Extractor:
    """Rows with the content of the files, and which of them were asked for."""

    def __init__(self, root: Path) -> None:
        self.root = StorageRoots(root)
        self.asked: list[str] = []

    def __call__(self, files: Sequence[StoredFile]) -> Iterator[list[dict[str, Any]]]:
        import hashlib

        for file in files:
            self.asked.append(file.path)
            data = self.root.read(file.path, follow_links=True)
            assert isinstance(data, bytes)
            row = {
                "image_id": file.path,
                "status": "ok",
                "file_bytes": file.num_bytes,
                "modified_ns": file.modified_ns,
                "content_sha256": hashlib.sha256(data).digest(),
                "dhash": ord(data),
            }
            yield [row]


def update(root: Path, follow: bool) -> tuple[list[str], list[str], dict[str, int]]:
    """Return extracted images, changed images, and each image's content in the table."""
    table, extractor = StorageFolder(root.parent / "table"), Extractor(root)
    writer = ShardWriter(StorageRoots(root), table, SCHEMA, follow_changes=follow, follow_links=True)
    changes = writer.update(NAME, sorted(StorageFolder(root).walk()), extractor)
    rows = read_table(table.uri, ["dhash"]).to_pylist()
    return extractor.asked, changes.changed, {row["image_id"]: chr(row["dhash"]) for row in rows}


def test_update__names_source_and_folder(tmp_path: Path) -> None:
    for name in ("one/x/deep/a", "one/b", "other/y/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name[-1])
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    places = {"first": str(tmp_path / "one"), "second": str(tmp_path / "other")}
    for roots, expected in (
        (StorageRoots(places), {"first/x/deep/a": "first x", "first/b": "first ", "second/y/c": "second y"}),
        (StorageRoots(tmp_path / "one"), {"x/deep/a": "None x", "b": "None "}),
    ):
        table = StorageFolder(tmp_path / f"table{len(roots.sources)}")
        writer = ShardWriter(roots, table, schema if roots.sources else SCHEMA, follow_changes=False)
        files = sorted(roots.walk())
        extractor = Extractor(tmp_path)
        extractor.root = roots
        writer.update(NAME, files, extractor)
        rows = read_table(table.uri).to_pylist()
        assert {row["image_id"]: f"{row.get('source')} {row['folder']}" for row in rows} == expected
        assert ("source" in rows[0]) == bool(roots.sources)


@pytest.mark.parametrize("follow", [True, False])
def test_update__a_shard_that_is_there_costs_nothing(root: Path, follow: bool) -> None:
    assert update(root, follow)[0] == ["a", "b", "c"]
    file = root.parent / "table" / NAME
    before = file.stat().st_mtime_ns
    assert update(root, follow) == ([], [], {"a": "a", "b": "b", "c": "c"})
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("follow", [True, False])
def test_update__a_file_that_was_only_touched_is_not_extracted_again(root: Path, follow: bool) -> None:
    update(root, follow)
    os.utime(root / "b", ns=(5, 5))
    assert update(root, follow) == ([], [], {"a": "a", "b": "b", "c": "c"})
    assert read_table(root.parent / "table", ["modified_ns"])["modified_ns"][1].as_py() == 5


def test_update__a_linked_file_that_was_only_touched_is_not_extracted_again(root: Path) -> None:
    (root / "a").rename(root.parent / "elsewhere")
    (root / "a").symlink_to(root.parent / "elsewhere")
    update(root, follow=False)
    os.utime(root / "a", ns=(5, 5))
    assert update(root, follow=False) == ([], [], {"a": "a", "b": "b", "c": "c"})


def test_update__changed_and_deleted_images_are_followed_or_reported(root: Path) -> None:
    update(root, follow=False)
    (root / "b").write_text("x")
    os.utime(root / "b", ns=(5, 5))
    (root / "c").unlink()
    assert update(root, follow=False) == ([], ["b"], {"a": "a", "b": "b", "c": "c"})
    assert update(root, follow=False)[1] == ["b"]
    assert update(root, follow=True) == (["b"], ["b"], {"a": "a", "b": "x"})
    assert update(root, follow=True) == ([], [], {"a": "a", "b": "x"})


def test_update__the_faces_of_an_image_are_kept_replaced_and_dropped_together(root: Path) -> None:
    """The content of a file is the number of its faces."""
    schema = landmark_schema(table_metadata({"name": "none"}, {}, "0"), with_faces=True)
    table, extractor = StorageFolder(root.parent / "faces_table"), Extractor(root)

    def extract(files: Sequence[StoredFile]) -> Iterator[list[dict[str, Any]]]:
        for (row,) in extractor(files):
            count = int(chr(row["dhash"]))
            yield [row | {"face": number, "num_faces": count} for number in range(count)] or [row]

    def update_faces(follow: bool) -> list[tuple[str, int | None]]:
        extractor.asked.clear()
        writer = ShardWriter(StorageRoots(root), table, schema, follow_changes=follow)
        changes = writer.update(NAME, sorted(StorageFolder(root).walk()), extract)
        assert changes.extracted.total() == len(extractor.asked)
        rows = read_table(table.uri, ["num_faces"]).to_pylist()
        return [(row["image_id"], row["face"]) for row in rows]

    for name, count in (("a", "2"), ("b", "0"), ("c", "3")):
        (root / name).write_text(count)
    before = [("a", 0), ("a", 1), ("b", None), ("c", 0), ("c", 1), ("c", 2)]
    assert update_faces(follow=True) == before
    assert extractor.asked == ["a", "b", "c"]
    os.utime(root / "c", ns=(5, 5))
    assert update_faces(follow=True) == before
    assert extractor.asked == []
    (root / "a").write_text("1")
    os.utime(root / "a", ns=(5, 5))
    (root / "c").unlink()
    assert update_faces(follow=False) == before
    assert update_faces(follow=True) == [("a", 0), ("b", None)]
    assert extractor.asked == ["a"]
