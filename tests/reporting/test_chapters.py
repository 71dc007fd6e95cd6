"""Chapters of reports, compared with recomputed figures."""

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from faceml.config.config_error import ConfigError
from faceml.page.html import Chapter, Report, Section, render_report
from faceml.reporting.extraction.report import extraction_chapter
from faceml.reporting.search.report import tuning_chapter
from faceml.reporting.training.report import training_chapter
from faceml.search.trial import Trial
from tests.reporting.conftest import MakeRecords
from tests.reporting.searches import SCORES


def headlines(chapter: Chapter) -> dict[str, tuple[str, str]]:
    plain = {ord("\N{NO-BREAK SPACE}"): " "}
    return {h.label: (h.value.translate(plain), h.detail.translate(plain)) for h in chapter.headlines}


def wilson(successes: int, trials: int) -> str:
    z, share = 1.959964, successes / trials
    centre, spread = (
        share + z**2 / (2 * trials),
        z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2),
    )
    low, high = ((centre + sign * spread) / (1 + z**2 / trials) for sign in (-1, 1))
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def test_extraction_chapter__figures_are_the_tables(extraction_run: Path) -> None:
    chapter = extraction_chapter(extraction_run, "Landmarks of train")
    figures = headlines(chapter)
    assert figures["Images"][0] == "13"
    assert figures["With landmarks"] == ("76.9 %", f"10 images; 95 % interval {wilson(10, 13)}")
    assert figures["Images per second"][0] == "6.5"
    statuses = chapter.sections[0].tables[0].rows
    assert [list(row)[:2] for row in statuses] == [["ok", "10"], ["no_face", "2"], ["undecodable", "1"]]
    assert "surprise, contempt" in chapter.sections[0].text[0]
    assert dict(chapter.facts)["Landmarks of train: detector"] == "drawn 1.2.3"
    assert "SHA-256 of its images" in dict(chapter.facts)["Landmarks of train: table"]


def test_extraction_chapter__all_sampled_faces_are_on_sheets(extraction_run: Path) -> None:
    pictures = extraction_chapter(extraction_run).sections[1].pictures
    assert len(pictures) == 1
    assert pictures[0].media_type == "image/jpeg"
    assert pictures[0].alt.startswith("13 images")
    assert "no_face: surprise" in pictures[0].alt


def test_training_chapter__figures_are_the_best_epochs(training_run: Path) -> None:
    chapter = training_chapter(training_run)
    figures = headlines(chapter)
    # The undecodable image of the thirteen is not among those that accuracy is measured on.
    assert figures["Expression accuracy"] == (
        "75.0 %",
        f"95 % interval {wilson(9, 12)}; n = 12; epoch 2 of 3",
    )
    assert figures["Macro-F1"][0] == "0.375"
    assert figures["Landmark MSE"][0] == "0.01"
    assert figures["Landmark NME"][0] == "15.0 %"
    assert "Always predicting “neutral” gives 50.0" in chapter.sections[0].text[0]
    assert [row[0] for row in chapter.sections[1].tables[0].rows][2] == "nose tip"
    assert len(chapter.sections[2].pictures) == 3


def test_training_chapter__fixed_weights_have_no_uncertainty(training_run: Path) -> None:
    file = training_run / "metrics.jsonl"
    file.write_text(re.sub(r'"train/log_var_\w+": [-\d.e]+, ', "", file.read_text()))
    config = yaml.safe_load((training_run / "config.yaml").read_text()) | {"weighting": {"kind": "fixed"}}
    (training_run / "config.yaml").write_text(yaml.safe_dump(config))
    assert len(training_chapter(training_run).sections[2].pictures) == 2


def test_training_chapter__landmarks_without_value_are_dashes(training_run: Path) -> None:
    file = training_run / "metrics.jsonl"
    file.write_text(re.sub(r'("val/(?:landmark_mse|nme_\w+)": )[\d.e-]+', r"\1null", file.read_text()))
    figures = headlines(training_chapter(training_run))
    assert (figures["Landmark MSE"][0], figures["Landmark NME"][0]) == ("–", "–")


def with_tasks(training_run: Path, tasks: dict[str, Any], metrics: dict[str, Any]) -> Chapter:
    """Return the report of the training with other tasks, whose records have further metrics."""
    config = yaml.safe_load((training_run / "config.yaml").read_text()) | {"tasks": tasks}
    (training_run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    records = [json.loads(line) for line in (training_run / "metrics.jsonl").read_text().splitlines()]
    parts = ("loss", "weight", "grad_norm", "log_var")
    more = {f"train/{part}_{name}": 1.0 for name in tasks for part in parts} | metrics
    (training_run / "metrics.jsonl").write_text(
        "".join(json.dumps(record | more) + "\n" for record in records)
    )
    return training_chapter(training_run)


POSE = {"kind": "regression", "target": ["yaw_deg", "pitch_deg"]}
POSE_METRICS = {
    "val/pose/mae": 4.0, "val/pose/rmse": 5.0, "val/pose/ccc": 0.5, "val/pose/loss": 1.0,
    "val/pose/mae_deviation": 2.0, "val/pose/images": 10,
    **{f"val/pose/{metric}_{angle}_deg": 0.5 for metric in ("mae", "ccc") for angle in ("yaw", "pitch")},
}  # fmt: skip


def test_training_chapter__of_three_tasks_has_a_section_of_each_and_their_conflicts(
    training_run: Path,
) -> None:
    tasks = {
        "expression": {"kind": "classification"},
        "landmarks": {"kind": "landmarks"},
        "pose": POSE,
    }
    pairs = ("expression_landmarks", "expression_pose", "landmarks_pose")
    cosines = {f"train/grad_cosine_{pair}": -0.3 for pair in pairs}
    chapter = with_tasks(training_run, tasks, POSE_METRICS | cosines)
    titles = [each.title for each in chapter.sections]
    assert titles == ["Expression classification", "Landmark localisation", "Pose", "Task balance"]
    figures = headlines(chapter)
    assert figures["Expression accuracy"][0] == "75.0 %"
    # t of 9 degrees of freedom: 4 ± 2.262 · 2 / √10
    assert figures["Pose MAE"] == ("4", "95 % interval 2.57–5.43; n = 10; epoch 2 of 3")
    balance = section(chapter, "Task balance")
    assert "Conflict of task gradients" in [picture.title for picture in balance.pictures]
    assert sum("conflict (cosine -0.30)" in text for text in balance.text) == 3


def test_training_chapter__of_one_task_has_nothing_to_balance(training_run: Path) -> None:
    chapter = with_tasks(training_run, {"pose": POSE}, POSE_METRICS)
    assert [each.title for each in chapter.sections] == ["Pose"]
    assert "epoch 3 of 3" in headlines(chapter)["Pose MAE"][1], "the latest of equal ones"


def test_training_chapter__tables_of_several_classifications_have_different_titles(
    training_run: Path,
) -> None:
    kind, found = {"kind": "classification"}, {"accuracy": 0.5, "macro_f1": 0.5, "loss": 1.0}
    names = ("mood", "age_group")
    metrics: dict[str, Any] = {f"val/{name}/{part}": value for name in names for part, value in found.items()}
    metrics |= {f"val/{name}/confusion_matrix": np.eye(8, dtype=int).tolist() for name in names}
    chapter = with_tasks(training_run, dict.fromkeys(names, kind), metrics)
    titles = [table.title for each in chapter.sections for table in each.tables]
    assert titles == [f"Metrics of each class in epoch 3 ({name})" for name in ("mood", "age group")]


def section(chapter: Chapter, title: str) -> Section:
    return next(section for section in chapter.sections if section.title == title)


def test_tuning_chapter__figures_are_the_best_trials(tuning_run: Path, trials: list[Trial]) -> None:
    chapter = tuning_chapter(tuning_run, trials)
    figures = headlines(chapter)
    assert figures["Best trial"] == ("75.0 %", f"accuracy; 95 % interval {wilson(9, 12)}; n = 12")
    assert figures["Trials"] == ("4", "2 finished, 1 stopped early, 1 failed")
    assert figures["Learning rate"][0] == "0.002"
    assert figures["Weighting"][0] == "uncertainty"
    found = section(chapter, "Which settings suit these faces")
    # 50 % lies within 46.8 to 91.1 %, the interval of 9 of 12; 25 % does not.
    assert "2 trials, this one included, lie within" in found.text[0]
    leaderboard = found.tables[0]
    assert [row[3] for row in leaderboard.rows] == [f"{n}.0\N{NO-BREAK SPACE}%" for n in (75, 50, 25)] + [""]
    assert (set(leaderboard.highlighted), set(leaderboard.dimmed)) == ({0}, {2, 3})
    value, detail = figures["Better weighting"]
    assert value == "no verdict"
    assert "trials were stopped early: compared at epoch" in detail
    # Learning rate and all settings; learning curves and the log-variance of both tasks.
    assert len(section(chapter, "What matters").pictures) == 2
    assert len(section(chapter, "How the trials went").pictures) == 3


def test_tuning_chapter__the_answer_comes_first(tuning_run: Path, make_records: MakeRecords) -> None:
    trials = [
        Trial(f"{kind}{seed}", {"weighting.kind": kind, "seed": seed}, make_records([accuracy]), 1)
        for kind, accuracies in (
            ("fixed", [3 / 12, 4 / 12, 5 / 12]),
            ("uncertainty", [8 / 12, 9 / 12, 9 / 12]),
        )
        for seed, accuracy in enumerate(accuracies)
    ]
    chapter = tuning_chapter(tuning_run, trials)
    plain = {ord("\N{NO-BREAK SPACE}"): " "}
    # Differences of 5, 5 and 4 of 12: 38.9 ± 4.303 · 4.81 / √3.
    difference = "uncertainty − fixed = +38.9 points, 95 % interval +26.9…+50.8"
    assert chapter.headlines[0].label == "Better weighting"
    assert headlines(chapter)["Better weighting"] == ("uncertainty", f"{difference}: uncertainty is better")
    first = chapter.sections[0]
    assert first.title == "Which weighting is better"
    assert first.text[0].translate(plain) == (
        f"Weighting: {difference} (paired over 3 seeds, better in 3 of 3 pairs): uncertainty is better."
    )
    means, comparisons = first.tables
    assert [row[:3] for row in means.rows] == [
        ["fixed", "3 of 3", "33.3\N{NO-BREAK SPACE}%"],
        ["uncertainty", "3 of 3", "72.2\N{NO-BREAK SPACE}%"],
    ]
    assert len(comparisons.rows) == 1
    # 9 of 12: Wilson's interval is 46.8 to 91.1 %.
    assert any("with 12 of them the accuracy is uncertain by ± 22.2 points" in note for note in first.notes)
    assert [table.title for table in section(chapter, "Which settings suit these faces").tables] == [
        "Leaderboard by mean validation accuracy over seeds"
    ]


def test_tuning_chapter__without_the_package_for_importance_names_it_once(
    tuning_run: Path, trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules, "optuna", None
    )  # what Python itself takes for a package that is not there
    page = render_report(Report("Faces", "An answer.", [tuning_chapter(tuning_run, trials)]))
    assert page.count("pip install &#39;faceml[search]&#39;") == 1


@pytest.mark.parametrize(
    ("metric", "value"),
    [("val/macro_f1", "0.375"), ("val/landmark_mse", "0.00667"), ("val/nme_interocular", "10.00 %")],
)
def test_tuning_chapter__by_another_metric(
    tuning_run: Path, trials: list[Trial], metric: str, value: str
) -> None:
    chapter = tuning_chapter(tuning_run, [replace(trial, score=SCORES[metric]) for trial in trials])
    faces = 12 if metric == "val/macro_f1" else 10  # no face was detected in two of the images
    assert headlines(chapter)["Best trial"] == (value, f"{SCORES[metric].label}; n = {faces}")
    assert render_report(Report("Faces", "An answer.", [chapter]))


def test_tuning_chapter__no_learning_rate_chart_where_none_was_searched(
    tuning_run: Path, trials: list[Trial]
) -> None:
    for trial in trials:
        del trial.settings["optimizer.learning_rate"]
    pictures = section(tuning_chapter(tuning_run, trials), "What matters").pictures
    assert "Accuracy and learning rate" not in [picture.title for picture in pictures]


def test_render_report__of_all_chapters_describes_every_picture(
    extraction_run: Path, tuning_run: Path, trials: list[Trial]
) -> None:
    chapters = [extraction_chapter(extraction_run), tuning_chapter(tuning_run, trials)]
    page = render_report(Report("Faces", "An answer.", chapters))
    alts = re.findall(r'<img src="data:[^"]+" alt="([^"]*)"', page)
    assert len(alts) == page.count("<img") == 8
    assert all(len(alt) > 40 for alt in alts)


def test_extraction_chapter__without_its_table(extraction_run: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes((extraction_run / "summary.json").read_bytes())
    config = (extraction_run / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("/table\n", "/elsewhere\n"))
    with pytest.raises(ConfigError, match="elsewhere"):
        extraction_chapter(tmp_path)
