"""A run folder in a store, and what of it is on this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.errors import StoppedError
from faceml.runs.working_copy import WorkingCopy
from faceml.storage import stores
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from tests.flaky_store import FlakyStore


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(copy: WorkingCopy) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in copy.path.iterdir()}


def test_working_copy__of_a_local_folder_is_the_folder(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("a: 1")
    copy = WorkingCopy(tmp_path / "run")
    copy.fetch()
    copy.push()
    assert copy.path == tmp_path / "run"
    assert contents(copy) == {"config.yaml": b"a: 1"}
    assert not cache.exists()


def test_working_copy__the_store_has_the_last_word(s3_uri: Callable[..., str], cache: Path) -> None:
    place = place_below(s3_uri(), "runs", "first")
    first = WorkingCopy(place)
    first.fetch()
    assert contents(first) == {}
    assert first.path.is_relative_to(cache)
    assert first.path.name == "first"
    (first.path / "config.yaml").write_text("a: 1")
    (first.path / "events").write_bytes(b"")
    first.push()
    StorageFolder(place).write("checkpoints/epoch_1/model.pt", b"model")
    (first.path / "metrics.jsonl").write_text("never pushed")
    (first.path / "config.yaml").write_text("a: 2")
    again = WorkingCopy(place)
    again.fetch()
    assert again.path == first.path
    assert contents(again) == {"config.yaml": b"a: 1", "events": b""}
    assert WorkingCopy(place_below(s3_uri(), "runs", "second")).path != first.path


def test_working_copy__pushes_what_has_changed_and_the_report_last(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    put: list[str] = []

    def note(method: str, path: str) -> None:
        if method == "PUT":
            put.append(path.partition("?")[0].rpartition("/")[2])

    with FlakyStore(s3_server, note) as store:
        copy = WorkingCopy(place_below(s3_uri(store.endpoint), "run"))
        copy.fetch()
        for name in ("report.html", "summary.json", ".hidden", "config.yaml"):
            (copy.path / name).write_text(name)
        (copy.path / "folder").mkdir()
        copy.push()
        assert put == ["config.yaml", "summary.json", "report.html"]
        (copy.path / "summary.json").write_text("another")
        copy.push()
        assert put[3:] == ["summary.json"]
        again = WorkingCopy(copy.folder.uri)
        again.fetch()
        again.push()
        assert len(put) == 4, "what was fetched is there already"


def test_working_copy__removes_a_file_here_and_in_the_store(s3_uri: Callable[..., str]) -> None:
    copy = WorkingCopy(s3_uri())
    copy.fetch()
    for name in ("report.html", "summary.json", "config.yaml"):
        (copy.path / name).write_text(name)
        if name != "config.yaml":
            copy.push()
    for name in ("report.html", "config.yaml", "quality.json"):
        copy.remove(name)
    assert copy.folder.files() == ["summary.json"]
    assert contents(copy).keys() == {"summary.json"}


def test_working_copy__an_own_copy_is_kept_where_it_is_wanted(
    s3_uri: Callable[..., str], tmp_path: Path
) -> None:
    StorageFolder(s3_uri()).write("settings.json", b"{}")
    one, other = (WorkingCopy(s3_uri(), tmp_path / name) for name in ("one", "other"))
    for copy in (one, other):
        copy.fetch()
    (one.path / "settings.json").unlink()
    (one.path / "metrics.jsonl").write_bytes(b"")
    one.push()
    assert contents(other) == {"settings.json": b"{}"}
    assert one.folder.files() == ["metrics.jsonl", "settings.json"], "of what was fetched nothing is lost"


def test_working_copy__an_outage_ends_the_work_in_one_line(
    s3_server: str, s3_uri: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 1)
    copy = WorkingCopy(s3_uri())
    copy.fetch()
    with FlakyStore(s3_server, lambda method, path: "drop") as store:
        copy = WorkingCopy(s3_uri(store.endpoint))
        copy.path.mkdir(parents=True)
        (copy.path / "config.yaml").write_text("a: 1")
        for act in (copy.fetch, copy.push):
            (copy.path / "config.yaml").write_text("a: 1")
            with pytest.raises(StoppedError, match=r"^s3://faces/.*: cannot be reached \(.*\)\. The same"):
                act()
