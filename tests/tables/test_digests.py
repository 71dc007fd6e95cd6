"""Digests of the images of a table."""

import hashlib
from pathlib import Path

from faceml.tables.digests import content_digest, table_digests
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.selection import TableSelection

SCHEMA = landmark_schema(table_metadata({"name": "drawn"}, {}, "0"))


def table_of_contents(folder: Path, contents: dict[str, bytes | None]) -> TableSelection:
    """Write a table of images with these contents, None for unknown ones; return all its rows."""
    rows = [
        {
            "image_id": name,
            "folder": "0",
            "status": "ok",
            "content_sha256": None if content is None else hashlib.sha256(content).digest(),
        }
        for name, content in contents.items()
    ]
    write_shard(rows, SCHEMA, folder / "part.parquet")
    return TableSelection(str(folder))


def test_content_digest__is_of_the_contents_alone(tmp_path: Path) -> None:
    first = table_of_contents(tmp_path / "a", {"0/a.jpg": b"one", "0/b.jpg": b"two", "0/gone.jpg": None})
    renamed = table_of_contents(tmp_path / "b", {"0/z.jpg": b"one", "0/a.jpg": b"two"})
    other = table_of_contents(tmp_path / "c", {"0/a.jpg": b"one", "0/b.jpg": b"2"})
    digests = sorted(hashlib.sha256(content).digest() for content in (b"one", b"two"))
    assert content_digest(first) == hashlib.sha256(b"".join(digests)).hexdigest()
    assert content_digest(renamed) == content_digest(first)
    assert content_digest(other) != content_digest(first)


def test_table_digests__change_with_names_contents_and_number(tmp_path: Path) -> None:
    images: dict[str, bytes | None] = {"0/a.jpg": b"one", "1/b.jpg": b"two"}
    first = table_digests(table_of_contents(tmp_path / "a", images))
    assert first["images"] == 2
    assert first["names"] == hashlib.sha256(b"0/a.jpg\n1/b.jpg\n").hexdigest()
    assert first["contents"] == content_digest(TableSelection(str(tmp_path / "a")))
    assert first == table_digests(table_of_contents(tmp_path / "same", dict(reversed(images.items()))))
    moved = table_digests(table_of_contents(tmp_path / "moved", {"0/a.jpg": b"one", "0/b.jpg": b"two"}))
    assert (moved["contents"], moved["names"] == first["names"]) == (first["contents"], False)
