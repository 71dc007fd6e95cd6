"""What a report says of a search for settings."""

import json
from collections.abc import Sequence
from pathlib import Path

from faceml.config import TuneConfig, load_yaml, parse_config
from faceml.page import INTERVAL, Chapter, DataTable, Headline, Picture, Section, percent, percent_range, svg
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.search.colors import LEARNING_RATE
from faceml.reporting.search.figures import (
    importance_figure,
    learned,
    learning_curves_figure,
    learning_rate_figure,
    log_variances_figure,
)
from faceml.reporting.search.parallel_coordinates import compared_keys, parallel_coordinates_figure
from faceml.reporting.search.tables import group_leaderboard, leaderboard
from faceml.reporting.search.verdict_section import answer_headline, answer_section, method_notes
from faceml.reporting.training.report import ValidationFaces, count_validation_faces
from faceml.runs import CONFIG_FILE, SUMMARY_FILE
from faceml.search import (
    ACCURACY,
    INSTALL,
    SEED,
    Trial,
    can_measure_importance,
    chance_share,
    find_answers,
    group_seeds,
    has_repeats,
    is_enough,
    measure_importance,
    outcomes,
    ranked,
    setting_name,
    shown,
    shown_settings,
)

TASKS = ("expression", "landmarks")


def tuning_chapter(run_folder: Path, trials: Sequence[Trial], title: str = "Search") -> Chapter:
    """Return what a search has to say, the answer first.

    Args:
        run_folder: With `config.yaml` and `summary.json`; the validation table is still there.
        trials: Of the search, at least one with an epoch.
        title: Of the chapter.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(TuneConfig, load_yaml(text))
    wall_s = json.loads((run_folder / SUMMARY_FILE).read_text(encoding="utf-8"))["wall_s"]
    trials = ranked(trials)
    faces = count_validation_faces(config.train.data)
    answers = find_answers(trials)
    return Chapter(
        title=title,
        headlines=[*(answer_headline(answer) for answer in answers[:1]), *_headlines(trials, faces)],
        sections=[
            *(
                answer_section(answer, trials, method_notes(answers, trials, faces) if n == 0 else ())
                for n, answer in enumerate(answers)
            ),
            _leaderboard(trials, faces),
            _importance(trials),
            _courses(trials),
        ],
        config=text,
        facts=[*training_data_facts(title, config.train.data), (f"{title}: wall time", f"{wall_s:,.0f} s")],
    )


def _headlines(trials: list[Trial], faces: ValidationFaces) -> list[Headline]:
    best, score = trials[0], trials[0].score
    sureness = f"; {INTERVAL} {percent_range(faces.interval(best.best_score))}" if _is_accuracy(best) else ""
    name = "expression accuracy" if _is_accuracy(best) else score.label
    return [
        Headline("Best trial", score.write(best.best_score), f"{name}{sureness}; n = {faces.total:,}"),
        Headline("Trials", str(len(trials)), outcomes(trials)),
        *(
            Headline(setting_name(key).capitalize(), shown(value).replace("_", " "), "in the best trial")
            for key, value in best.settings.items()
            if key != SEED
        ),
    ]


def _leaderboard(trials: list[Trial], faces: ValidationFaces) -> Section:
    best, score = trials[0], trials[0].score
    text = [
        f"The best of {len(trials)} trials reaches {score.write(best.best_score)} with "
        f"{shown_settings(best.settings)}. {_rivals(trials, faces)}"
    ]
    tables = []
    if has_repeats(trials):
        first = group_seeds(trials)[0]
        if first.scores:
            margin = f" ± {score.write_margin(first.interval)}{score.unit}" if first.interval else ""
            text.append(
                f"The best mean over seeds is {score.write(first.mean)}{margin} (n = {len(first.scores)}), "
                f"with {shown_settings(first.settings)}."
            )
        tables.append(group_leaderboard(trials))
    else:
        tables.append(_every_trial(trials, "Leaderboard"))
    return Section(
        title="Which settings suit these faces",
        text=text,
        tables=tables,
        notes=[
            "Every trial is judged on the same validation images, and the best of many looks better than it "
            "is: expect somewhat less on new images. Means and intervals over seeds are of the trials that "
            "had all their epochs."
        ],
    )


def _every_trial(trials: list[Trial], what: str) -> DataTable:
    header, rows = leaderboard(trials)
    return DataTable(
        title=f"{what} by best validation {trials[0].score.label}",
        header=header,
        rows=rows,
        highlighted=frozenset({0}),
        dimmed=frozenset(number for number, trial in enumerate(trials) if not trial.finished),
    )


def _rivals(trials: list[Trial], faces: ValidationFaces) -> str:
    """Say how many trials chance may have ranked, as far as the number of images tells."""
    best = trials[0]
    if not _is_accuracy(best):
        return ""
    low, high = faces.interval(best.best_score)
    within = sum(trial.best_score >= low for trial in trials if trial.records)
    limits = percent_range((low, high))
    if within == 1:
        return f"No other trial lies within its {INTERVAL} ({limits})."
    return (
        f"{within} trials, this one included, lie within its {INTERVAL} ({limits}): chance may have ranked "
        "them."
    )


def _importance(trials: list[Trial]) -> Section:
    score = trials[0].score
    text, notes, pictures = [], [], []
    importances = measure_importance(trials) if can_measure_importance() else []
    if (chance := chance_share(trials)) is not None:
        text.append(
            f"{percent(chance, 0)} of the variance of the {score.label} is between seeds of equal settings: "
            "chance, which no setting explains."
        )
    if not can_measure_importance():
        text.append(f"How much each setting matters takes Optuna: {INSTALL}")
    elif not importances:
        text.append("Too few trials ran to their end, or all alike, to say how much each setting matters.")
    else:
        first = importances[0]
        text.append(
            f"Of what the settings explain, {setting_name(first.key)} alone makes up "
            f"{percent(first.share, 0)}, learned from the trials that ran to their end."
        )
        if not is_enough(trials, importances):
            few = sum(trial.finished for trial in trials)
            text.append(f"{few} trials are few for {len(importances)} settings: these shares mean little.")
        pictures.append(
            Picture(
                "Importance of each setting",
                svg(importance_figure(importances)),
                "image/svg+xml",
                "Of what the settings explain, each alone makes up: "
                + ", ".join(f"{setting_name(i.key)} {percent(i.share, 0)}" for i in importances)
                + ".",
                "What is missing to 100 % is due to settings acting together, and to chance.",
            )
        )
        notes.append(
            "fANOVA (Hutter et al. 2014): a random forest learns the score from the settings, and its "
            "variance over the values tried is split among them. The shares depend on the ranges searched."
        )
    if LEARNING_RATE in compared_keys(trials) and all(LEARNING_RATE in trial.settings for trial in trials):
        pictures.append(_learning_rates(trials))
    if len(compared_keys(trials)) > 1:
        pictures.append(
            Picture(
                "All settings at once",
                svg(parallel_coordinates_figure(trials)),
                "image/svg+xml",
                f"A line for each configuration, from its settings to its {score.label}. The best one has "
                f"{shown_settings(group_seeds(trials)[0].settings)}.",
                "Better is higher on the last axis; the best configuration is thick."
                + (" Scores are means over seeds." if has_repeats(trials) else ""),
            )
        )
    return Section(title="What matters", text=text, pictures=pictures, notes=notes)


def _learning_rates(trials: list[Trial]) -> Picture:
    repeated = " Small marks are single seeds, large ones their mean." if has_repeats(trials) else ""
    return Picture(
        f"{trials[0].score.label[:1].upper()}{trials[0].score.label[1:]} and learning rate",
        svg(learning_rate_figure(trials)),
        "image/svg+xml",
        f"Best {trials[0].score.label} of every trial over its learning rate. The best trial has "
        f"{shown(trials[0].settings[LEARNING_RATE])}.",
        f"Trials that did not finish are hollow: with more epochs they might have come further.{repeated}",
    )


def _courses(trials: list[Trial]) -> Section:
    best, score = trials[0], trials[0].score
    pictures = [
        Picture(
            "Learning curve of every trial",
            svg(learning_curves_figure(trials)),
            "image/svg+xml",
            f"Validation {score.label} by epoch of {len(trials)} trials, {outcomes(trials)}. The best one, "
            f"{best.name}, reaches {score.write(best.best_score)}.",
            "A cross is where a trial failed, or was stopped because others were ahead of it at that epoch.",
        )
    ]
    for task in TASKS:
        if learning := learned(trials, task):
            pictures.append(
                Picture(
                    f"Learned uncertainty: {task}",
                    svg(log_variances_figure(trials, task)),
                    "image/svg+xml",
                    f"Log-variance of {task} by epoch of the {len(learning)} trials that learn it.",
                    "The lower, the surer the network is of the task, and the more the task weighs.",
                )
            )
    tables = [_every_trial(trials, "Every trial")] if has_repeats(trials) else []
    return Section(title="How the trials went", pictures=pictures, tables=tables)


def _is_accuracy(trial: Trial) -> bool:
    return trial.metric == ACCURACY.metric
