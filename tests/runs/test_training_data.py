"""Tables that a run began with, and tables that changed before it goes on."""

from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.train import DataConfig
from faceml.runs.run_folder import RunFolder
from faceml.runs.training_data import digest_data, read_digests, write_digests
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"))


def write_table(folder: Path, names: str, content: str = "") -> None:
    rows = [
        {
            "image_id": f"0/{name}.jpg",
            "folder": "0",
            "status": "no_face",
            "content_sha256": f"{name}{content}".encode().ljust(32),
        }
        for name in names
    ]
    write_shard(rows, SCHEMA, folder / "a.parquet")


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    for split in ("train", "val"):
        write_table(tmp_path / split, "abc")
    return parse_config(DataConfig, {s: {"table": str(tmp_path / s)} for s in ("train", "val")})


@pytest.fixture
def run(data: DataConfig, tmp_path: Path) -> RunFolder:
    """A run that has begun."""
    folder = RunFolder(tmp_path / "run")
    write_digests(digest_data(data, folder), folder)
    return folder


def test_digest_data__of_the_same_tables_elsewhere_is_the_same(
    data: DataConfig, run: RunFolder, tmp_path: Path
) -> None:
    write_table(tmp_path / "moved", "abc")
    moved = parse_config(DataConfig, {"train": {"table": str(tmp_path / "moved")}, "val": data.val})
    assert digest_data(moved, run) == digest_data(data, run) == read_digests(run)


@pytest.mark.parametrize(
    ("names", "content", "message"),
    [
        ("abcd", "", r"data\.val\.table: has 4 images, but the run in .*/run began with 3\. Continue it"),
        ("ab", "", r"data\.val\.table: has 2 images, but the run in .*/run began with 3"),
        ("abx", "", r"data\.val\.table: has other images than when the run in .*/run began\. Continue it"),
        ("abc", "x", r"data\.val\.table: has other images than when"),
    ],
)
def test_digest_data__a_table_that_grew_or_changed_is_refused(
    names: str, content: str, message: str, data: DataConfig, run: RunFolder, tmp_path: Path
) -> None:
    write_table(tmp_path / "val", names, content)
    with pytest.raises(ConfigError, match=f"^{message}"):
        digest_data(data, run)
    with pytest.raises(ConfigError, match=f"^train.{message}"):
        digest_data(data, run, "train.")


def test_digest_data__rows_that_belong_to_no_split_may_be_added(tmp_path: Path) -> None:
    write_table(tmp_path / "all", "abc")
    labels = tmp_path / "splits.csv"
    labels.write_text("image_id,split\n0/a.jpg,train\n0/b.jpg,train\n0/c.jpg,val\n0/d.jpg,test\n")
    common = {"table": str(tmp_path / "all"), "labels": str(labels)}
    data = parse_config(DataConfig, {s: common | {"where": {"split": s}} for s in ("train", "val")})
    folder = RunFolder(tmp_path / "run")
    digests = digest_data(data, folder)
    assert [digests[f"data.{split}.table"]["images"] for split in ("train", "val")] == [2, 1]
    write_digests(digests, folder)
    write_table(tmp_path / "all", "abcd")
    assert digest_data(data, folder) == digests
    write_table(tmp_path / "all", "acd")
    with pytest.raises(ConfigError, match=r"^data\.train\.table: has 1 images, but the run .* with 2\."):
        digest_data(data, folder)


def test_digest_data__a_run_of_an_earlier_version_goes_on(data: DataConfig, tmp_path: Path) -> None:
    older = RunFolder(tmp_path / "older")
    assert read_digests(older) == {}
    assert digest_data(data, older)["data.train.table"]["images"] == 3


def test_digest_data__a_label_table_that_changed_is_refused(data: DataConfig, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image_id,mood\n0/a.jpg,happy\n")
    train = data.train.model_dump() | {"labels": str(labels)}
    labelled = parse_config(DataConfig, {"train": train, "val": data.val.model_dump()})
    folder = RunFolder(tmp_path / "labelled")
    write_digests(digest_data(labelled, folder), folder)
    labels.write_bytes(labels.read_bytes())
    assert digest_data(labelled, folder) == read_digests(folder)
    labels.write_text("image_id,mood\n0/a.jpg,sad\n")
    with pytest.raises(
        ConfigError, match=r"data\.train\.labels: has changed since the run in .*/labelled began"
    ):
        digest_data(labelled, folder)
