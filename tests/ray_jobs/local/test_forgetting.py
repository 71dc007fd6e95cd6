"""Report of `faceml forget`, and the order of its steps."""

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.tables.image_copies import ImageCopies
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from ray_jobs.local import forgetting

SCHEMA = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_image=True)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [{"image_id": f"{name}/1.jpg", "folder": name, "status": "no_face"} for name in ("Ann", "Bob")]
    write_shard(rows, SCHEMA, tmp_path / "table" / "a.parquet")
    return tmp_path / "table"


def report(*arguments: object) -> str:
    console = Console(record=True, width=500)
    forgetting.show(forgetting.run(*arguments), console)  # type: ignore[arg-type]
    return console.export_text()


def test_run__a_mistake_in_the_folder_of_runs_removes_nothing(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--runs .*/none: there is no such folder"):
        forgetting.run("Ann", [str(table)], [str(tmp_path / "none")])
    assert read_table(table).num_rows == 2


def test_show__never_claims_more_than_was_searched(table: Path, tmp_path: Path) -> None:
    text = report("Ann", [str(table)], [])
    assert "No models were searched for: name the folders of your runs with --runs." in text
    (tmp_path / "runs").mkdir()
    text = report("Bob", [str(table)], [str(tmp_path / "runs")])
    assert f"No run in {tmp_path}/runs names these tables." in text
    assert "Not searched: other folders, files of `faceml predict --output`" in text


def test_run__removes_copies_cached_under_another_spelling_and_elsewhere(table: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(table)
    cache = tmp_path / "cache"
    ImageCopies(tmp_path / "link", read_table(table)["image_id"], cache).prepare()
    data = {"train": {"table": str(tmp_path / "link")}, "cache": str(cache)}
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "config.yaml").write_text(yaml.safe_dump({"data": data, "weighting": {}}))
    (removed,) = forgetting.run("Ann", [f"{table}/"], [str(tmp_path / "runs")]).removed
    assert len(removed.copies) == 3  # the images, their index and a lock
    assert list((cache / "copies").iterdir()) == []
