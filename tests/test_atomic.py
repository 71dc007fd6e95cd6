from pathlib import Path

import pytest

from faceml.atomic import AtomicPath, write_text


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


def test_write_text__is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "σ² – größer\n")
    assert (tmp_path / "text").read_bytes() == "σ² – größer\n".encode()
