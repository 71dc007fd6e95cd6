"""Places of files and folders, as text."""

from pathlib import Path

import pytest

from faceml.storage.locations import (
    canonical_place,
    is_below,
    is_uri,
    place_below,
    short_names,
    split_place,
    user_cache,
)


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("/runs/a", "/runs/a/trials/b c?.pt"),
        (Path("/runs/a"), "/runs/a/trials/b c?.pt"),
        ("/", "/trials/b c?.pt"),
        ("s3://bucket/runs", "s3://bucket/runs/trials/b%20c%3F.pt"),
        ("s3://bucket/?region=eu/west", "s3://bucket/trials/b%20c%3F.pt?region=eu/west"),
    ],
)
def test_place_below__goes_before_the_parameters_and_is_split_again(folder: str | Path, place: str) -> None:
    assert place_below(folder, "trials", "b c?.pt") == place
    above, name = split_place(place)
    assert (above, name) == (place_below(folder, "trials"), "b c?.pt")
    assert is_uri(place) == is_uri(folder) == str(folder).startswith("s3:")


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("/weights.pt", ("/", "weights.pt")),
        ("s3://bucket/weights.pt?scheme=http", ("s3://bucket?scheme=http", "weights.pt")),
    ],
)
def test_split_place__at_the_top(place: str, parts: tuple[str, str]) -> None:
    assert split_place(place) == parts


def test_user_cache__follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    assert user_cache() == tmp_path / "cache"
    monkeypatch.delenv("FACEML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache() == tmp_path / "xdg" / "faceml"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache() == tmp_path / "home" / ".cache" / "faceml"


def test_split_place__of_a_relative_path_is_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_place("weights.pt") == (str(tmp_path), "weights.pt")
    assert split_place(Path("runs/weights.pt")) == (str(tmp_path / "runs"), "weights.pt")


@pytest.mark.parametrize(
    "spellings",
    [
        ("s3://b/t/train", "s3://b/t/train/", "s3://b/t//train?region=eu-west-1", "s3://b/t/x/../tr%61in"),
        ("gs://b/t", "gcs://b/t/", "gs://anonymous@b/t?project_id=p"),
        (
            "abfs://faces/t",
            "abfss://faces@account.dfs.core.windows.net/t/",
            "abfs://account.blob.core.windows.net/faces/t",
            "abfs://account@localhost:10000/faces/t",
        ),
        ("hdfs:///t", "hdfs://me@namenode:8020/t/", "viewfs://cluster/t"),
        ("/t/train", "/t/train/", "/t/./x/../train", "file:///t/tr%61in"),
    ],
)
def test_canonical_place__of_all_spellings_is_the_same(spellings: tuple[str, ...]) -> None:
    first, *others = map(canonical_place, spellings)
    assert others == [first] * len(others)
    assert is_below(canonical_place(place_below(spellings[-1], "a", "b")), first)
    assert not is_below(canonical_place(f"{spellings[0]}2"), first)


def test_canonical_place__resolves_links(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "link").symlink_to("table")
    assert canonical_place(tmp_path / "link") == canonical_place(tmp_path / "table")


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ([], []),
        (["runs/first"], ["first"]),
        (["runs/first", "s3://bucket/runs/second?region=b"], ["first", "second"]),
        (["runs/a/eval", "/runs/b/eval", "c"], ["a/eval", "b/eval", f"{Path.cwd().name}/c"]),
        (["/a/x/eval", "/b/x/eval"], ["a/x/eval", "b/x/eval"]),
        (["/a/eval", "/a/eval"], ["eval", "eval"]),
        (["s3://bucket/caf%C3%A9", "gs://bucket/tea"], ["café", "tea"]),
    ],
)
def test_short_names__are_as_long_as_it_takes(places: list[str], names: list[str]) -> None:
    assert short_names(places) == names
