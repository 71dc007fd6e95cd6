"""Demonstration of all jobs on very small data."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.demo import DemoConfig
from faceml.config.loading import parse_config
from ray_jobs.local import demo
from tests.browser.page import faults_of_each

pytestmark = pytest.mark.usefixtures("ray_cluster")

STAGES = ("extract_train", "extract_val", "train", "tune")


def _config(folder: Path, **train: Any) -> DemoConfig:
    return parse_config(
        DemoConfig,
        {
            "run": {"folder": str(folder)},
            "synth": {"splits": {"train": 32, "val": 16}, "image_size_px": 96, "processes": 1},
            "extract": {"report_faces": 8, "landmarker": {"actors": 1}},
            "train": {"data": {"image_size": 32}, "training": {"epochs": 1, "batch_size_per_worker": 8}}
            | train,
            "tune": {
                "search": {"weighting.kind": {"kind": "grid", "values": ["fixed", "uncertainty"]}},
                "num_trials": 1,
                "trial": {"cpus": 2},  # one after the other, in one process
                "train": {"model": {"embedding_dim": 64}},
            },
        },
    )


def test_run__leaves_every_stage_and_one_report(tmp_path: Path) -> None:
    console = Console(record=True, width=120)
    demo.run_and_show(_config(tmp_path / "demo"), console)
    text = console.export_text()
    assert "32 images" in text
    assert "Leaderboard by best validation accuracy" in text
    folder = tmp_path / "demo"
    for stage in STAGES:
        assert json.loads((folder / stage / "summary.json").read_text())
    assert (folder / "train" / "best_model.pt").is_file()
    assert "embedding_dim: 64" in (folder / "tune" / "best_config.yaml").read_text()
    reports = [folder / stage / "report.html" for stage in (*STAGES, "")]
    assert faults_of_each(reports) == [[]] * len(reports)
    report = (folder / "report.html").read_text()
    for expected in ("Landmarks", "Training", "Leaderboard", "data:image/svg+xml", "data:image/jpeg"):
        assert expected in report
    with pytest.raises(ConfigError, match=r"run\.folder: .* is not empty"):
        demo.run_and_show(_config(folder), console)


def test_run__names_a_stages_mistake_with_its_section_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"Unknown key: 'train\.seeds' \(= 3\)\. Did you mean 'train\.seed'"
    ):
        demo.run_and_show(_config(tmp_path / "demo", seeds=3), Console())
    assert not (tmp_path / "demo").exists()
