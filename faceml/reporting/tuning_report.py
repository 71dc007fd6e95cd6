"""What a report says of a search for settings."""

import json
from pathlib import Path

import yaml

from faceml.config.loading import parse_config
from faceml.config.tune import TuneConfig
from faceml.reporting.chart import svg
from faceml.reporting.figures import LEARNING_RATE, learning_curves_figure, learning_rate_figure
from faceml.reporting.html import Chapter, DataTable, Headline, Picture, Section
from faceml.reporting.numbers import INTERVAL, percent, percent_range
from faceml.reporting.training_report import ValidationFaces, count_validation_faces
from faceml.reporting.tuning import Trial, leaderboard, ranked, shown
from faceml.run_files import CONFIG_FILE, SUMMARY_FILE


def tuning_chapter(run_folder: Path, trials: list[Trial], title: str = "Search") -> Chapter:
    """Return what a search has to say.

    Args:
        run_folder: With `config.yaml` and `summary.json`; the validation table is still there.
        trials: Of the search, at least one with an epoch.
        title: Of the chapter.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(TuneConfig, yaml.safe_load(text))
    wall_s = json.loads((run_folder / SUMMARY_FILE).read_text(encoding="utf-8"))["wall_s"]
    trials = ranked(trials)
    faces = count_validation_faces(config.train.data)
    return Chapter(
        title=title,
        headlines=_headlines(trials, faces),
        sections=[_leaderboard(trials, faces), _curves(trials)],
        config=text,
        facts=[(f"{title}: wall time", f"{wall_s:,.0f} s")],
    )


def _headlines(trials: list[Trial], faces: ValidationFaces) -> list[Headline]:
    best = trials[0]
    interval = percent_range(faces.interval(best.best_accuracy))
    return [
        Headline(
            "Best trial",
            percent(best.best_accuracy),
            f"expression accuracy; {INTERVAL} {interval}; n = {faces.total:,}",
        ),
        Headline("Trials", str(len(trials)), _outcomes(trials)),
        *(
            Headline(_setting_name(key), shown(value).replace("_", " "), "in the best trial")
            for key, value in best.settings.items()
        ),
    ]


def _leaderboard(trials: list[Trial], faces: ValidationFaces) -> Section:
    best = trials[0]
    low, high = faces.interval(best.best_accuracy)
    within = sum(trial.best_accuracy >= low for trial in trials if trial.records)
    header, rows = leaderboard(trials)
    return Section(
        title="Which settings suit these faces",
        text=[
            f"The best of {len(trials)} trials reaches {percent(best.best_accuracy)} with {_settings(best)}. "
            + (
                f"{within} trials, this one included, lie within its {INTERVAL} "
                f"({percent_range((low, high))}): chance may have ranked them."
                if within > 1
                else f"No other trial lies within its {INTERVAL} ({percent_range((low, high))})."
            )
        ],
        tables=[
            DataTable(
                title="Leaderboard by best validation accuracy",
                header=header,
                rows=rows,
                highlighted=frozenset({0}),
                dimmed=frozenset(n for n, trial in enumerate(trials) if trial.outcome != "finished"),
            )
        ],
        notes=[
            "Every trial is judged on the same validation images, and the best of many looks better than it "
            "is: expect somewhat less on new images."
        ],
    )


def _curves(trials: list[Trial]) -> Section:
    best = trials[0]
    pictures = [
        Picture(
            "Learning curve of every trial",
            svg(learning_curves_figure(trials)),
            "image/svg+xml",
            f"Validation accuracy by epoch of {len(trials)} trials, {_outcomes(trials)}. The best one, "
            f"{best.name}, reaches {percent(best.best_accuracy)}.",
            "A cross is where a trial was stopped because others were ahead of it at that epoch.",
        )
    ]
    if all(LEARNING_RATE in trial.settings for trial in trials):
        pictures.append(
            Picture(
                "Accuracy and learning rate",
                svg(learning_rate_figure(trials)),
                "image/svg+xml",
                "Best accuracy of every trial over its learning rate. The best trial has "
                f"{shown(best.settings[LEARNING_RATE])}.",
                "Trials that were stopped early are hollow: with more epochs they might have come further.",
            )
        )
    return Section(title="How the trials went", pictures=pictures)


def _outcomes(trials: list[Trial]) -> str:
    stopped, failed = sum(trial.stopped_early for trial in trials), sum(bool(trial.error) for trial in trials)
    finished = len(trials) - stopped - failed
    return f"{finished} finished, {stopped} stopped early" + (f", {failed} failed" if failed else "")


def _setting_name(key: str) -> str:
    """Return the words of a dotted key: `Learning rate`, and `Weighting` of `weighting.kind`."""
    section, _, last = key.rpartition(".")
    return (section if last in ("kind", "name") else last).replace("_", " ").capitalize()


def _settings(trial: Trial) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in trial.settings.items())
