import errno
import os
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from faceml.storage.atomic import (
    PARTIAL_SUFFIX,
    atomic_file,
    atomic_folder,
    make_folder,
    refuse_unwritable,
    write_text,
)
from tests.storage.conftest import Unprivileged


def test_atomic_file__replaces_the_file_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "metrics.json"
    write_text(target, "old")
    with atomic_file(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert partial.parent == target.parent, "a rename is atomic only within a file system"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_atomic_file__a_failed_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError), atomic_file(target) as partial, partial.open("w") as file:
        file.writelines(["half of the n", "\udcff"])
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_file__a_failure_before_anything_is_written_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_file(tmp_path / "metrics.json"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_atomic_file__a_partial_file_does_not_match_a_glob_for_the_ending(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "part-0.parquet") as partial:
        partial.touch()
        assert not list(tmp_path.glob("*.parquet"))


def test_atomic_file__a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: is a folder"), atomic_file(tmp_path):
        pass


def test_atomic_file__partial_files_are_known_by_their_names(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "table.parquet") as first, atomic_file(tmp_path / "table.parquet") as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second, "two writers of the same file must not share a partial one"
        assert len(list(tmp_path.glob(f".*{PARTIAL_SUFFIX}"))) == 2
    assert (tmp_path / "table.parquet").read_text() == "first"


def test_atomic_file__bytes_that_cannot_be_synced_to_the_disk_do_not_get_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == len("new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "metrics.json", "old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoppedError, match=f"^{tmp_path}: no space left to write .*Make room there"):
        write_text(tmp_path / "metrics.json", "new")
    assert (tmp_path / "metrics.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "metrics.json"]


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), KeyError("a mistake")])
def test_atomic_file__other_errors_are_as_they_were(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised, atomic_file(tmp_path / "metrics.json"):
        raise error
    assert raised.value is error


def test_atomic_folder__replaces_the_folder_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "checkpoint"
    for content in ("old", "new"):
        with atomic_folder(target) as partial:
            write_text(partial / content, content)
            assert [file.name for file in target.parent.glob("check*/*")] == (["old"] * (content == "new"))
    assert [file.name for file in target.iterdir()] == ["new"]
    assert list(target.parent.iterdir()) == [target]


def test_atomic_folder__a_failed_block_leaves_the_old_folder_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint"
    with atomic_folder(target) as partial:
        write_text(partial / "state", "old")
    with pytest.raises(UnicodeEncodeError), atomic_folder(target) as partial:
        write_text(partial / "state", "half of the n\udcff")
    assert (target / "state").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_folder__a_full_disk_is_told_of_the_folder_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with (
        pytest.raises(StoppedError, match=f"^{tmp_path}: no space left"),
        atomic_folder(tmp_path / "checkpoint") as partial,
    ):
        write_text(partial / "state", "new")
    assert not list(tmp_path.iterdir())


def test_write_text__is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "σ² – größer\n")
    assert (tmp_path / "text").read_bytes() == "σ² – größer\n".encode()


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "\U0001f600" * 63 + ".js"])
def test_atomic_file__writes_any_name_that_the_file_system_allows(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with atomic_folder(tmp_path / ("y" + name[1:])) as partial:
        write_text(partial / name, "whole")
    assert (tmp_path / ("y" + name[1:]) / name).read_text() == "whole"


def test_make_folder__the_error_names_a_folder_that_cannot_be_written_to(
    shared_tmp: Path, unprivileged: Unprivileged
) -> None:
    (shared_tmp / "file").touch()
    for taken in (shared_tmp / "file", shared_tmp / "file" / "below"):
        with pytest.raises(ConfigError, match=f"{taken}: cannot be written to .*Choose another folder"):
            make_folder(taken)
        with pytest.raises(ConfigError, match=f"{taken}: cannot be written to .*is a file"):
            refuse_unwritable(taken)
    refuse_unwritable(shared_tmp / "new" / "folder")
    assert not (shared_tmp / "new").exists()
    make_folder(shared_tmp / "new" / "folder")
    (shared_tmp / "new").chmod(0o555)
    with unprivileged():
        for folder in (shared_tmp / "new", shared_tmp / "new" / "other"):
            with pytest.raises(ConfigError, match=rf"{folder}: cannot be written to .*[Pp]ermission"):
                write_text(folder / "config.yaml", "seed: 0")
            with (
                pytest.raises(ConfigError, match=rf"{folder}: cannot be written to"),
                atomic_folder(folder / "a"),
            ):
                pass
    assert [file.name for file in (shared_tmp / "new").iterdir()] == ["folder"]
