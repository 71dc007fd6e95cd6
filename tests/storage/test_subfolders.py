"""Folders within folders, here and in a store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from faceml.storage.subfolders import folder_names, remove_folder


@pytest.fixture(params=["path", "uri"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3_uri: Callable[..., str]) -> str:
    return str(tmp_path / "runs") if request.param == "path" else s3_uri()


def test_folder_names__are_sorted_and_without_what_is_hidden(place: str) -> None:
    folder = StorageFolder(place)
    assert folder_names(folder) == []
    for path in ("trials/b/settings.json", "trials/a+1/deep/model.pt", "trials/.ray/x", "trials/file"):
        folder.write(path, b"content")
    assert folder_names(StorageFolder(place_below(place, "trials"))) == ["a+1", "b"]
    assert folder_names(folder) == ["trials"]


def test_remove_folder__takes_all_that_is_in_it_and_nothing_beside_it(place: str) -> None:
    folder = StorageFolder(place)
    for path in ("a/checkpoint/model.pt", "a/checkpoint/deep/x", "a/checkpoint.txt", "a/checkpoints/x"):
        folder.write(path, b"content")
    for _ in range(2):
        remove_folder(StorageFolder(place_below(place, "a", "checkpoint")))
    assert sorted(file.path for file in folder.walk()) == ["a/checkpoint.txt", "a/checkpoints/x"]
    remove_folder(StorageFolder(place_below(place, "a", "checkpoints")))
    assert StorageFolder(place_below(place, "a")).files() == ["checkpoint.txt"]
