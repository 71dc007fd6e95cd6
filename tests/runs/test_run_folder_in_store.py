"""A run folder in a store, and its working copy on this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from faceml.page.html import Report
from faceml.runs.run_folder import RunFolder
from faceml.storage import stores
from faceml.storage.folder import StorageFolder
from faceml.storage.locations import place_below
from tests.flaky_store import FlakyStore


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(copy: RunFolder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in copy.path.iterdir()}


def test_run_folder__of_a_local_folder_is_the_folder(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("a: 1")
    copy = RunFolder(tmp_path / "run")
    copy.fetch()
    copy.push()
    assert copy.path == tmp_path / "run"
    assert contents(copy) == {"config.yaml": b"a: 1"}
    assert not cache.exists()


def test_run_folder__the_store_has_the_last_word(s3_uri: Callable[..., str], cache: Path) -> None:
    place = place_below(s3_uri(), "runs", "first")
    first = RunFolder(place)
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
    again = RunFolder(place)
    again.fetch()
    assert again.path == first.path
    assert contents(again) == {"config.yaml": b"a: 1", "events": b""}
    assert RunFolder(place_below(s3_uri(), "runs", "second")).path != first.path


def test_run_folder__pushes_what_has_changed_and_the_report_last(
    s3_server: str, s3_uri: Callable[..., str]
) -> None:
    put: list[str] = []

    def note(method: str, path: str) -> None:
        if method == "PUT":
            put.append(path.partition("?")[0].rpartition("/")[2])

    with FlakyStore(s3_server, note) as store:
        copy = RunFolder(place_below(s3_uri(store.endpoint), "run"))
        copy.fetch()
        for name in ("report.html", "summary.json", ".hidden", "config.yaml"):
            (copy.path / name).write_text(name)
        (copy.path / "folder").mkdir()
        copy.push()
        assert put == ["config.yaml", "summary.json", "report.html"]
        (copy.path / "summary.json").write_text("another")
        copy.push()
        assert put[3:] == ["summary.json"]
        again = RunFolder(copy.folder.uri)
        again.fetch()
        again.push()
        assert len(put) == 4, "what was fetched is there already"


def test_finish__puts_the_report_after_all_other_files(s3_server: str, s3_uri: Callable[..., str]) -> None:
    put: list[str] = []

    def note(method: str, path: str) -> None:
        if method == "PUT":
            put.append(path.partition("?")[0].rpartition("/")[2])

    with FlakyStore(s3_server, note) as store:
        with RunFolder(place_below(s3_uri(store.endpoint), "run")) as run_folder:
            run_folder.begin("weighting: {}\n")
            run_folder.add_epoch(1, {"val/accuracy": 0.5}, {})
            run_folder.write_summary({"epochs": 1})
            run_folder.finish(lambda: Report("Title", "Answer.", []))
        assert put[0] == "config.yaml"
        assert put[-2:] == ["summary.json", "report.html"]
        with RunFolder(run_folder.place) as again:
            assert again.is_finished
            assert again.config == {"weighting": {}}
            assert [record["epoch"] for record in again.records] == [1]
            with pytest.raises(ConfigError, match=r"holds a finished run"):
                again.begin("weighting: {}\n")
        assert put[-1] == "report.html", "nothing changed since"


def test_run_folder__pushes_nothing_after_an_error(s3_uri: Callable[..., str]) -> None:
    def fail() -> None:
        with RunFolder(s3_uri()) as run_folder:
            run_folder.write_config("a: 1\n")
            raise StoppedError("no checkpoint")

    with pytest.raises(StoppedError):
        fail()
    assert StorageFolder(s3_uri()).files() == []


def test_run_folder__removes_a_file_here_and_in_the_store(s3_uri: Callable[..., str]) -> None:
    copy = RunFolder(s3_uri())
    copy.fetch()
    for name in ("report.html", "summary.json", "config.yaml"):
        (copy.path / name).write_text(name)
        if name != "config.yaml":
            copy.push()
    for name in ("report.html", "config.yaml", "quality.json"):
        copy.remove(name)
    assert copy.folder.files() == ["summary.json"]
    assert contents(copy).keys() == {"summary.json"}


def test_run_folder__an_own_copy_is_kept_where_it_is_wanted(
    s3_uri: Callable[..., str], tmp_path: Path
) -> None:
    StorageFolder(s3_uri()).write("settings.json", b"{}")
    one, other = (RunFolder(s3_uri(), tmp_path / name) for name in ("one", "other"))
    for copy in (one, other):
        copy.fetch()
    (one.path / "settings.json").unlink()
    (one.path / "metrics.jsonl").write_bytes(b"")
    one.push()
    assert contents(other) == {"settings.json": b"{}"}
    assert one.folder.files() == ["metrics.jsonl", "settings.json"], "of what was fetched nothing is lost"


def test_run_folder__an_outage_ends_the_work_in_one_line(
    s3_server: str, s3_uri: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "S3_MAX_ATTEMPTS", 1)
    copy = RunFolder(s3_uri())
    copy.fetch()
    with FlakyStore(s3_server, lambda method, path: "drop") as store:
        copy = RunFolder(s3_uri(store.endpoint))
        copy.path.mkdir(parents=True)
        (copy.path / "config.yaml").write_text("a: 1")
        for act in (copy.fetch, copy.push):
            (copy.path / "config.yaml").write_text("a: 1")
            with pytest.raises(StoppedError, match=r"^s3://faces/.*: cannot be reached \(.*\)\. The same"):
                act()
