"""Tables of an extraction."""

import json
from pathlib import Path

import pyarrow as pa

from faceml.reporting.extraction.summary import (
    ExtractionSummary,
    folder_table,
    read_summary,
    rejected_tables,
    source_tables,
    summarize_table,
)
from faceml.tables.sorted_rows import read_table
from tests.crowd_table import write_crowd_table

SUMMARY = ExtractionSummary({"ok": 105, "no_face": 15}, {}, {"1": (100, 90), "5": (20, 15)}, 120, 50.0, 3.0)


def test_folder_table__has_the_wilson_interval_of_each_rate() -> None:
    table = folder_table(SUMMARY, warn_below=0.8, most=5)
    rates, intervals = ([row[column] for row in table.rows] for column in (3, 4))
    plain = [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in [*rates, *intervals]]
    # statsmodels.stats.proportion.proportion_confint(…, method="wilson")
    assert plain == ["75.0 %", "90.0 %", "53.1–88.8 %", "82.6–94.5 %"]
    assert table.highlighted == {0}


def test_folder_table__names_the_number_of_folders_if_not_all_are_shown() -> None:
    assert folder_table(SUMMARY, warn_below=0.8, most=1).title.endswith("lowest first, 1 of 2")
    assert folder_table(SUMMARY, warn_below=0.8, most=2).title.endswith("lowest first")


def test_summarize_table__counts_by_source(tmp_path: Path) -> None:
    columns = {
        "source": ["raf", "raf", "affect", "affect", "affect", "affect"],
        "folder": ["0", "0", "0", "0", "1", "1"],
        "status": ["ok", "no_face", "ok", "ok", "ok", "undecodable"],
    }
    summary = summarize_table(pa.table(columns), 6, 2.0, 3.0)
    assert summary.by_source == {"affect": {"ok": 3, "undecodable": 1}, "raf": {"ok": 1, "no_face": 1}}
    assert summary.by_folder == {"affect/0": (2, 2), "affect/1": (2, 1), "raf/0": (2, 1)}
    (tmp_path / "summary.json").write_text(json.dumps(summary.as_json()))
    assert read_summary(tmp_path) == summary
    (table,) = source_tables(summary)
    assert table.header[-2:] == ["no_face", "undecodable"]
    rows = [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in table.rows]
    assert [row[:5] + row[6:] for row in rows] == [
        ["affect", "4", "66.7 %", "3", "75.0 %", "0", "1"],
        ["raf", "2", "33.3 %", "1", "50.0 %", "1", "0"],
    ]
    assert source_tables(SUMMARY) == []
    assert "sources" not in SUMMARY.as_json()


def test_summarize_table__counts_images_with_rejected_faces_by_status(tmp_path: Path) -> None:
    columns = {
        "folder": ["0"] * 7,
        "status": ["ok", "ok", "no_face", "no_face", "no_face", "undecodable", "ok"],
        "num_rejected": [0, 1, 2, 1, 0, None, 0],
    }
    summary = summarize_table(pa.table(columns), 7, 2.0, 3.0)
    assert summary.rejected == (2, 1)
    assert summary.as_json()["rejected"] == {"no_face": 2, "ok": 1}
    (tmp_path / "summary.json").write_text(json.dumps(summary.as_json()))
    assert read_summary(tmp_path) == summary
    (table,) = rejected_tables(summary)
    assert [row[1] for row in table.rows] == ["2", "1"]
    without = summarize_table(pa.table(columns).drop_columns(["num_rejected"]), 7, 2.0, 3.0)
    assert without.rejected is None
    assert "rejected" not in without.as_json()
    assert rejected_tables(without) == []


def test_summarize_table__of_all_faces_counts_images_and_their_faces(tmp_path: Path) -> None:
    table = read_table(write_crowd_table(tmp_path) / "table", ["folder", "status", "look"])
    summary = summarize_table(table, 5, 2.0, 3.0)
    assert summary.by_status == {"ok": 3, "no_face": 1, "undecodable": 1}
    assert (summary.images, summary.detection_rate, summary.faces) == (5, 0.6, 6)
    assert summary.by_folder == {"0": (2, 1), "1": (2, 2), "2": (1, 0)}
    assert summary.by_look == {"whole": 6}
    (tmp_path / "summary.json").write_text(json.dumps(summary.as_json()))
    assert read_summary(tmp_path) == summary
