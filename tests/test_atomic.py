import errno
import os
from pathlib import Path

import pytest

from faceml.atomic import PARTIAL_SUFFIX, AtomicPath, write_text


def test_atomic_path__replaces_the_file_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "metrics.json"
    write_text(target, "old")
    with AtomicPath(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert partial.parent == target.parent, "a rename is atomic only within a file system"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_atomic_path__a_failed_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError), AtomicPath(target) as partial, partial.open("w") as file:
        file.writelines(["half of the n", "\udcff"])
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_path__a_failure_before_anything_is_written_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(KeyError), AtomicPath(tmp_path / "metrics.json"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_atomic_path__a_partial_file_does_not_match_a_glob_for_the_ending(tmp_path: Path) -> None:
    with AtomicPath(tmp_path / "part-0.parquet") as partial:
        partial.touch()
        assert not list(tmp_path.glob("*.parquet"))


def test_atomic_path__partial_files_are_known_by_their_names(tmp_path: Path) -> None:
    with AtomicPath(tmp_path / "table.parquet") as first, AtomicPath(tmp_path / "table.parquet") as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second, "two writers of the same file must not share a partial one"
        assert len(list(tmp_path.glob(f".*{PARTIAL_SUFFIX}"))) == 2
    assert (tmp_path / "table.parquet").read_text() == "first"


def test_atomic_path__bytes_that_cannot_be_synced_to_the_disk_do_not_get_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == len("new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "metrics.json", "old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "metrics.json", "new")
    assert (tmp_path / "metrics.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "metrics.json"]


def test_write_text__is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "σ² – größer\n")
    assert (tmp_path / "text").read_bytes() == "σ² – größer\n".encode()
