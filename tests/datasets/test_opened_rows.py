"""Rows of large tables, written once to the cache of a machine."""

import os
import pickle
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import parse_tasks
from faceml.datasets import opened_rows
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.person_dataset import AlignedPreprocessing, PersonDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.selection import LabelSource, TableSelection
from faceml.tables.table_cache import remove_cached_files
from faceml.tasks.build import Tasks, build_tasks

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every table be a large one."""
    monkeypatch.setattr(opened_rows, "LARGE_TABLE_ROWS", 0)


@pytest.fixture
def here(large: None, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Write rows in this process instead of a child process; returns the files that were written."""
    written: list[Path] = []

    def write(request: Any, file: Path) -> None:
        written.append(file)
        opened_rows.write_rows(request, file)

    monkeypatch.setattr(opened_rows, "_write_in_child", write)
    return written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        row: dict[str, Any] = {"image_id": f"{number % 4}/{number:02d}.jpg", "folder": str(number % 4)}
        row |= {"status": ("ok", "ok", "no_face", "undecodable")[number % 11 % 4], "width": 40, "height": 30}
        if row["status"] == "ok":
            row |= {f"landmarks_{n}": rng.random(2 * n, dtype=np.float32) for n in (5, 10)}
            row["yaw_deg"] = rng.normal(0, 20)
        rows.append(row)
        file = tmp_path / "images" / row["image_id"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    write_shard(rows[:15], SCHEMA, tmp_path / "table" / "b.parquet")
    write_shard(rows[15:], SCHEMA, tmp_path / "table" / "a.parquet")
    (tmp_path / "labels.csv").write_text("image_id,smile\n0/00.jpg,0.5\n1/01.jpg,-1\n")
    return tmp_path


def tasks_of(classes: Any = "found", leave_out: Sequence[str] = ()) -> Tasks:
    plain = {
        "expression": {"kind": "classification", "classes": classes, "leave_out": leave_out},
        "landmarks": {"kind": "landmarks"},
        "smile": {"kind": "regression", "target": ["smile"], "scale": 2.0},
    }
    return build_tasks(parse_tasks(plain))


def opened(folder: Path, tasks: Tasks | None = None, **options: Any) -> FaceDataset:
    labels = LabelSource(str(folder / "labels.csv"))
    selection = TableSelection(str(folder / "table"), options.pop("where", {}), labels)
    tasks = tasks_of() if tasks is None else tasks
    every = {"is_training": True, "cache": folder / "cache"} | options
    return FaceDataset(selection, folder / "images", 5, Preprocessing(16), list(tasks.values()), **every)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "rows").glob("*.arrow"))


def assert_same(found: FaceDataset, wanted: FaceDataset) -> None:
    assert list(found.image_ids) == list(wanted.image_ids)
    assert found.targets.keys() == wanted.targets.keys()
    for name, target in wanted.targets.items():
        for part, same in zip(found.targets[name], target, strict=True):
            assert part.dtype == same.dtype
            assert torch.equal(part, same)
    np.testing.assert_array_equal(found.has_landmarks, wanted.has_landmarks)
    np.testing.assert_array_equal(found.yaw_deg, wanted.yaw_deg)
    assert found.framing() == wanted.framing()
    assert (found.left_out, found.num_excluded) == (wanted.left_out, wanted.num_excluded)
    assert found.label_counts == wanted.label_counts
    assert found.table_rows == wanted.table_rows


def test_open_rows__of_a_large_table_are_those_of_a_small_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out = ["2"]
    wanted = opened(folder, tasks_of(leave_out=leave_out))
    assert not files(folder)
    monkeypatch.setattr(opened_rows, "LARGE_TABLE_ROWS", 0)
    for _ in range(2):  # written by a child process, then found in the cache
        tasks = tasks_of(leave_out=leave_out)
        assert_same(opened(folder, tasks), wanted)
        assert tasks["expression"].group_names == ("0", "1", "3")
    assert len(files(folder)) == 1


def test_open_rows__a_file_serves_what_has_the_same_rows(here: list[Path], folder: Path) -> None:
    opened(folder)
    for same in (
        opened(folder),
        FaceDataset(
            opened(folder).selection,
            folder / "images",
            5,
            Preprocessing(99),
            list(tasks_of().values()),
            folder / "cache",
            is_training=True,
        ),
    ):
        assert len(same) == len(opened(folder))
    assert len(here) == 1


def test_open_rows__other_rows_or_targets_are_another_file(here: list[Path], folder: Path) -> None:
    opened(folder)
    opened(folder, tasks_of(leave_out=["1"]))
    opened(folder, tasks_of(classes=["3", "2", "1", "0"]))
    opened(folder, where={"folder": ["1", "3"]})
    learned = tasks_of()
    opened(folder, learned)
    opened(folder, learned, is_training=False)
    assert len(set(here)) == len(here) == len(files(folder)) == 5


def test_open_rows__listed_classes_in_a_file_are_those_of_the_file(here: list[Path], folder: Path) -> None:
    listed = folder / "classes.txt"
    listed.write_text("0\n1\n2\n3\n")
    before = opened(folder, tasks_of(classes=str(listed)))
    listed.write_text("3\n2\n1\n0\n")
    after = opened(folder, tasks_of(classes=str(listed)))
    assert torch.equal(3 - before.targets["expression"].values, after.targets["expression"].values)


def test_open_rows__a_table_or_a_label_table_that_changed_is_read_again(
    here: list[Path], folder: Path
) -> None:
    before = opened(folder)
    (folder / "labels.csv").write_text("image_id,smile\n0/00.jpg,0.25\n")
    labelled = opened(folder)
    assert labelled.targets["smile"].known.sum() == 1
    (folder / "table" / "a.parquet").unlink()
    fewer = opened(folder)
    assert len(fewer) < len(labelled) == len(before)
    assert len(here) == 3
    assert files(folder) == here[-1:], "those of the earlier table are removed"
    assert before.image_ids[len(before) - 1] == labelled.image_ids[len(before) - 1], "it is still mapped"


def test_open_rows__processes_at_once_wait_for_the_one_that_writes(here: list[Path], folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: opened(folder), range(8)))
    assert len(here) == 1
    for faces in found:
        assert_same(faces, found[0])


def test_open_rows__what_a_killed_process_left_is_removed(here: list[Path], folder: Path) -> None:
    opened(folder)
    (file,) = files(folder)
    content = file.read_bytes()
    file.unlink()
    half = file.with_name(f".{file.name}.0123456789abcdef.partial")
    half.write_bytes(content[: len(content) // 2])
    opened(folder)
    assert not half.exists()
    assert file.stat().st_size == len(content)


def test_open_rows__files_are_for_their_user_and_leave_with_the_table(here: list[Path], folder: Path) -> None:
    opened(folder)
    (file,) = files(folder)
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    removed = remove_cached_files([str(folder / "table")], [folder / "cache"])
    assert file in removed
    assert not files(folder)


def test_open_rows__files_that_nobody_opens_are_removed_after_a_month(here: list[Path], folder: Path) -> None:
    opened(folder)
    (file,) = files(folder)
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(file, (long_ago, long_ago))
    opened(folder)
    opened(folder, where={"folder": ["0", "1"]})
    assert file.exists(), "opened since"
    os.utime(file, (long_ago, long_ago))
    opened(folder, where={"folder": ["0", "2"]})
    assert not file.exists()


def test_open_rows__an_error_of_the_child_process_is_raised(large: None, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^.*table: folder: '[0-3]' \(\d+ rows\), .*not among the classes"):
        opened(folder, tasks_of(classes=["happy", "sad"]))
    assert not files(folder)


def test_person_dataset__of_a_large_table_is_that_of_a_small_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def people(*, with_undetected: bool) -> PersonDataset:
        return PersonDataset(
            folder / "table",
            folder / "images",
            AlignedPreprocessing(112),
            folder / "cache",
            with_undetected=with_undetected,
        )

    wanted = [people(with_undetected=choice) for choice in (False, True)]
    request.getfixturevalue("here")
    for choice, small in zip((False, True), wanted, strict=True):
        found = people(with_undetected=choice)
        assert list(found.image_ids) == list(small.image_ids)
        assert list(found.folders) == list(small.folders) == [name[0] for name in small.image_ids]
        assert found.people == small.people == ["0", "1", "2", "3"]
        assert torch.equal(found.labels, small.labels)
        assert [found.people[label] for label in found.labels] == list(found.folders)
        np.testing.assert_array_equal(found.undetected, small.undetected)
    assert len(files(folder)) == 2


def test_face_dataset__of_a_large_table_is_sent_without_its_rows(here: list[Path], folder: Path) -> None:
    faces = opened(folder)
    assert faces.targets["landmarks"].values.shape == (len(faces), 5, 2)
    assert faces.has_landmarks.any()
    again: FaceDataset = pickle.loads(pickle.dumps(faces))
    assert_same(again, faces)
    assert len(pickle.dumps(faces)) < 5000
