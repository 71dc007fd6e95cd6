import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from faceml.storage import listing
from faceml.storage.listing import ENTRIES_AT_ONCE, Entry, walk_files


class SimulatedStore:
    """Folders with 40 files each, in a tree of two levels, each of which takes a while to be listed."""

    def __init__(self, folders: int, wait_s: float = 0.0) -> None:
        self.listed = Counter[str]()
        self._folders = folders
        self._wait_s = wait_s

    def __call__(self, folder: str) -> Iterator[Entry]:
        self.listed[folder] += 1
        time.sleep(self._wait_s)
        level = folder.count("/")
        if level < 2:
            for number in range(self._folders):
                yield Entry(str(number), "folder", 0, 0)
        else:
            for number in range(40):
                yield Entry(f"{number}.jpg", "file", number, 1)


def test_walk_files__lists_several_folders_at_the_same_time() -> None:
    store = SimulatedStore(8, wait_s=0.05)
    started_s = time.monotonic()
    files = list(walk_files(store, None, False, threads=32))
    assert time.monotonic() - started_s < 73 * 0.05 / 2
    expected = {f"{a}/{b}/{c}.jpg" for a in range(8) for b in range(8) for c in range(40)}
    assert len(files) == len(expected)
    assert {file.path for file in files} == expected
    assert len(store.listed) == 73
    assert set(store.listed.values()) == {1}


def test_walk_files__ends_its_threads_with_its_consumer() -> None:
    before = set(threading.enumerate())
    files = walk_files(SimulatedStore(8), None, False, threads=4)
    next(files)
    del files
    deadline_s = time.monotonic() + 5
    while not set(threading.enumerate()) <= before:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_walk_files__an_error_in_any_folder_ends_it() -> None:
    store = SimulatedStore(4)

    def broken(folder: str) -> Iterator[Entry]:
        if folder == "3/2/":
            raise PermissionError(folder)
        return store(folder)

    with pytest.raises(PermissionError, match="3/2/"):
        list(walk_files(broken, None, False, threads=4))


def test_walk_files__continues_a_large_folder_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    number = 3 * ENTRIES_AT_ONCE

    def one_folder(folder: str) -> Iterator[Entry]:
        return (Entry(f"{index}.jpg", "file", index, 1) for index in range(number))

    assert [file.num_bytes for file in walk_files(one_folder, None, False, threads=3)] == list(range(number))
    monkeypatch.setattr(listing, "ENTRIES_AT_ONCE", number - 1)
    assert len(list(walk_files(one_folder, None, False, threads=3))) == number
