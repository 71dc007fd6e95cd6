"""Chapter of a report about a search."""

import json
from collections.abc import Sequence
from pathlib import Path

from faceml.config import TuneConfig, load_yaml, parse_config
from faceml.page import (
    INTERVAL,
    Chapter,
    Headline,
    Picture,
    Section,
    capitalised,
    chart_picture,
    percent,
    percent_range,
)
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.search.colors import LEARNING_RATE
from faceml.reporting.search.figures import (
    importance_figure,
    learned,
    learned_tasks,
    learning_curves_figure,
    learning_rate_figure,
    log_variances_figure,
)
from faceml.reporting.search.parallel_coordinates import compared_keys, parallel_coordinates_figure
from faceml.reporting.search.tables import group_leaderboard, trial_leaderboard
from faceml.reporting.search.validation_sample import ValidationSample, validation_sample
from faceml.reporting.search.verdict_section import answer_headline, answer_section, method_notes
from faceml.runs import CONFIG_FILE, SUMMARY_FILE
from faceml.search import (
    INSTALL,
    SEED,
    Trial,
    can_measure_importance,
    chance_share,
    find_answers,
    format_setting,
    format_settings,
    group_seeds,
    has_repeats,
    is_enough,
    measure_importance,
    outcomes,
    ranked,
    setting_name,
)


def tuning_chapter(run_folder: Path, trials: Sequence[Trial], title: str = "Search") -> Chapter:
    """Return the chapter of a search, the verdicts first.

    Args:
        run_folder: Run folder with `config.yaml` and `summary.json`; the validation table still exists.
        trials: Trials of the search, at least one with an epoch.
        title: Title of the chapter.
    """
    text = (run_folder / CONFIG_FILE).read_text(encoding="utf-8")
    config = parse_config(TuneConfig, load_yaml(text))
    wall_s = json.loads((run_folder / SUMMARY_FILE).read_text(encoding="utf-8"))["wall_s"]
    trials = ranked(trials)
    faces = validation_sample(config.train, trials[0].score)
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
            _learning_curves(trials),
        ],
        config=text,
        facts=[
            *training_data_facts(title, config.train.data, run_folder),
            (f"{title}: wall time", f"{wall_s:,.0f} s"),
        ],
    )


def _headlines(trials: list[Trial], faces: ValidationSample) -> list[Headline]:
    best, score = trials[0], trials[0].score
    interval = faces.interval(best.best_score)
    limits = f"; {INTERVAL} {score.format_range(interval)}" if interval else ""
    return [
        Headline("Best trial", score.format(best.best_score), f"{score.label}{limits}; n = {faces.total:,}"),
        Headline("Trials", str(len(trials)), outcomes(trials)),
        *(
            Headline(
                setting_name(key).capitalize(), format_setting(value).replace("_", " "), "in the best trial"
            )
            for key, value in best.settings.items()
            if key != SEED
        ),
    ]


def _leaderboard(trials: list[Trial], faces: ValidationSample) -> Section:
    best, score = trials[0], trials[0].score
    text = [
        f"The best of {len(trials)} trials reaches {score.format(best.best_score)} with "
        f"{format_settings(best.settings)}. {_rivals(trials, faces)}"
    ]
    tables = []
    if has_repeats(trials):
        first = group_seeds(trials)[0]
        if first.scores:
            margin = f" ± {score.format_margin(first.interval)}{score.unit}" if first.interval else ""
            text.append(
                f"The best mean over seeds is {score.format(first.mean)}{margin} (n = {len(first.scores)}), "
                f"with {format_settings(first.settings)}. This interval does not include the choice of the "
                "best."
            )
        tables.append(group_leaderboard(trials))
    else:
        tables.append(trial_leaderboard(trials))
    return Section(
        title="Which settings suit these faces",
        text=text,
        tables=tables,
        notes=[
            "Every trial is evaluated on the same validation images, and the best of many is overestimated: "
            "expect somewhat lower scores on new images. Means and intervals over seeds include the trials "
            "that finished."
        ],
    )


def _rivals(trials: list[Trial], faces: ValidationSample) -> str:
    """Return how many trials are within the interval of the best one, due to the number of images."""
    best = trials[0]
    interval = faces.interval(best.best_score)
    if interval is None:
        return ""
    low, high = interval
    within = sum(low <= trial.best_score <= high for trial in trials if trial.records)
    limits = best.score.format_range(interval)
    if within == 1:
        return f"No other trial lies within its {INTERVAL} ({limits})."
    return (
        f"{within} trials, this one included, lie within its {INTERVAL} ({limits}): their order may be due "
        "to chance."
    )


def _importance(trials: list[Trial]) -> Section:
    score = trials[0].score
    text, notes, pictures = [], [], []
    importances = measure_importance(trials) if can_measure_importance() else []
    if (chance := chance_share(trials)) is not None:
        text.append(
            f"{percent(chance.value, 0)} of the variance of the {score.label} ({INTERVAL} "
            f"{percent_range((chance.low, chance.high))}) is between seeds of equal settings, which no "
            "setting explains."
        )
    if not can_measure_importance():
        text.append(f"The importance of each setting needs Optuna: {INSTALL}")
    elif not importances:
        text.append(
            "Too few trials finished, or all with the same score, to estimate the importance of each setting."
        )
    else:
        first = importances[0]
        text.append(
            f"Of the variance that the settings explain, {setting_name(first.key)} alone explains "
            f"{percent(first.share, 0)}, estimated from the trials that finished."
        )
        if not is_enough(trials, importances):
            few = sum(trial.finished for trial in trials)
            text.append(f"{few} trials are few for {len(importances)} settings: these shares are unreliable.")
        pictures.append(
            chart_picture(
                "Importance of each setting",
                importance_figure(importances),
                "Share of the explained variance of each setting alone: "
                + ", ".join(f"{setting_name(i.key)} {percent(i.share, 0)}" for i in importances)
                + ".",
                "The rest to 100 % is due to interactions of settings, and to chance.",
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
            chart_picture(
                "All settings at once",
                parallel_coordinates_figure(trials),
                f"A line for each configuration, from its settings to its {score.label}. The best one has "
                f"{format_settings(group_seeds(trials)[0].settings)}.",
                "Better is higher on the last axis; the best configuration is thick."
                + (" Scores are means over seeds." if has_repeats(trials) else ""),
            )
        )
    return Section(title="What matters", text=text, pictures=pictures, notes=notes)


def _learning_rates(trials: list[Trial]) -> Picture:
    repeated = " Small markers are single seeds, large ones their mean." if has_repeats(trials) else ""
    return chart_picture(
        f"{capitalised(trials[0].score.label)} and learning rate",
        learning_rate_figure(trials),
        f"Best {trials[0].score.label} of every trial over its learning rate. The best trial has "
        f"{format_setting(trials[0].settings[LEARNING_RATE])}.",
        f"Trials that did not finish are hollow: more epochs might have improved them.{repeated}",
    )


def _learning_curves(trials: list[Trial]) -> Section:
    best, score = trials[0], trials[0].score
    pictures = [
        chart_picture(
            "Learning curve of every trial",
            learning_curves_figure(trials),
            f"Validation {score.label} by epoch of {len(trials)} trials, {outcomes(trials)}. The best one, "
            f"{best.name}, reaches {score.format(best.best_score)}.",
            "A cross marks the epoch at which a trial failed, or was stopped because others were better.",
        )
    ]
    pictures += [
        chart_picture(
            f"Learned uncertainty: {task}",
            log_variances_figure(trials, task),
            f"Log-variance of {task} by epoch of the {len(learned(trials, task))} trials that learn it.",
            "The lower it is, the lower the task's uncertainty and the higher its weight.",
        )
        for task in learned_tasks(trials)
    ]
    tables = [trial_leaderboard(trials, "Every trial")] if has_repeats(trials) else []
    return Section(title="How the trials went", pictures=pictures, tables=tables)
