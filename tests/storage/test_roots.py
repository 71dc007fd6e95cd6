"""Files of one folder, and of several with the names of their sources."""

import pickle
from pathlib import Path

import pytest

from faceml.storage.roots import StorageRoots


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    for name in ("a/0/x.jpg", "a/y.jpg", "b/0/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return {"first": str(tmp_path / "a"), "second": str(tmp_path / "b")}


def test_storage_roots__files_of_sources_have_their_name(places: dict[str, str]) -> None:
    roots = pickle.loads(pickle.dumps(StorageRoots(places)))
    files = {file.path: roots.read(file.path) for file in roots.walk()}
    expected = {"first/0/x.jpg": b"a/0/x.jpg", "first/y.jpg": b"a/y.jpg", "second/0/x.jpg": b"b/0/x.jpg"}
    assert files == expected
    assert roots.split("first/0/x.jpg") == ("first", "0/x.jpg")
    assert roots.sources == ("first", "second")
    assert str(roots) == f"first: {places['first']}, second: {places['second']}"


@pytest.mark.parametrize("path", ["third/0/x.jpg", "first", "first/../b/0/x.jpg", "0/x.jpg", "first//y.jpg"])
def test_storage_roots__nothing_else_is_read(path: str, places: dict[str, str]) -> None:
    assert StorageRoots(places).read(path) == "unreadable"


def test_storage_roots__of_one_folder_are_the_folder(places: dict[str, str]) -> None:
    roots = StorageRoots(places["first"])
    assert sorted(file.path for file in roots.walk()) == ["0/x.jpg", "y.jpg"]
    assert (roots.read("y.jpg"), roots.sources, roots.split("0/x.jpg")) == (b"a/y.jpg", (), (None, "0/x.jpg"))
    assert str(roots) == places["first"]
    assert roots.exist()
    assert not StorageRoots({**places, "third": f"{places['first']}/nowhere"}).exist()
