"""Results of a study of arms, for the terminal and for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from faceml.config import StudyConfig, build_arm_config, dump_config
from faceml.metrics import ScoredPairs
from faceml.page import (
    COLORS,
    INK,
    INTERVAL,
    MARKERS,
    QUIET,
    Chapter,
    DataTable,
    Headline,
    Section,
    chart,
    chart_picture,
    legend_above,
    percent,
    percent_axis,
    percent_range,
    styled,
)
from faceml.reporting.provenance import training_data_facts
from faceml.reporting.recognition.diagnosis import diagnose_recognition
from faceml.search import ONE_SEED, ArmComparison, ArmStudy, images_to_reach, join_names

ACCURACY = "verification/accuracy"


@dataclass(frozen=True)
class ArmRun:
    """One training of a study.

    Attributes:
        arm: Name of the arm.
        seed: Seed of the training.
        images_per_epoch: Number of training images of an epoch.
        records: Metrics of its epochs.
        pairs: Verification pairs with their scores after the last epoch; None if the training failed.
        error: Reason of the failure, in one line.
    """

    arm: str
    seed: int
    images_per_epoch: int
    records: Sequence[dict[str, Any]]
    pairs: ScoredPairs | None
    error: str | None = None

    @property
    def images(self) -> list[int]:
        """Number of images seen until the end of each epoch."""
        return [record["epoch"] * self.images_per_epoch for record in self.records]

    @property
    def accuracies(self) -> list[float]:
        """Verification accuracy at the end of each epoch."""
        return [record[ACCURACY] for record in self.records]


def verdict(comparison: ArmComparison) -> str:
    """Return the comparison of two arms as a sentence."""
    found = comparison.difference
    better, worse, sign = (
        (comparison.arm, comparison.other, 1) if found.value >= 0 else (comparison.other, comparison.arm, -1)
    )
    low, high = sorted((100 * sign * found.low, 100 * sign * found.high))
    points = f"{100 * abs(found.value):+.1f} points, {INTERVAL} {low:+.1f}…{high:+.1f}".replace("-", "−")
    if comparison.seeds == 1:
        return f"{better} against {worse}: {points} (interval over people only): {ONE_SEED}."
    conclusion = f"{better} is better" if comparison.resolved else "not significant"
    return f"{better} against {worse}: {points}: {conclusion}."


def study_answer(study: ArmStudy) -> str:
    """Return the arm with the highest accuracy, and from which others its difference is significant."""
    ahead = max(study.accuracies, key=lambda arm: study.accuracies[arm].value)
    against = {
        c.other if c.arm == ahead else c.arm: c for c in study.comparisons if ahead in (c.arm, c.other)
    }
    of_one_seed = [other for other, comparison in against.items() if comparison.seeds == 1]
    found = {
        "better than": [other for other, comparison in against.items() if comparison.resolved],
        "not distinguished from": [other for other, c in against.items() if c.seeds > 1 and not c.resolved],
        f"{ONE_SEED} against": of_one_seed,
    }
    parts = [f"{relation} {join_names(others)}" for relation, others in found.items() if others]
    accuracy = study.accuracies[ahead]
    return (
        f"{ahead} is ahead with a verification accuracy of {percent(accuracy.value)} on unseen people "
        f"({INTERVAL} {percent_range((accuracy.low, accuracy.high))}): {join_names(parts)}."
    )


def reached(runs: Sequence[ArmRun], arm: str, target: float) -> list[float | None]:
    """Return after how many images each seed of an arm reached an accuracy; None for those that did not."""
    return [
        images_to_reach(run.images, run.accuracies, target)
        for run in runs
        if run.arm == arm and run.pairs is not None
    ]


def study_summary(study: ArmStudy, runs: Sequence[ArmRun], targets: Sequence[float]) -> dict[str, Any]:
    """Return the content of `summary.json`."""
    return {
        "answer": study_answer(study),
        "arms": {
            arm: {
                "accuracy": accuracy.value,
                "interval": [accuracy.low, accuracy.high],
                "of_seeds": {run.seed: run.accuracies[-1] for run in runs if run.arm == arm and run.pairs},
                "images_to_reach": {str(target): reached(runs, arm, target) for target in targets},
            }
            for arm, accuracy in study.accuracies.items()
        },
        "verdicts": [verdict(comparison) for comparison in study.comparisons],
        "failed": {f"{run.arm}, seed {run.seed}": run.error for run in runs if run.error},
    }


def study_rows(
    study: ArmStudy, runs: Sequence[ArmRun], targets: Sequence[float]
) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each arm: final accuracy, its seeds, images to reach accuracies."""
    header = ["arm", "accuracy at the end", INTERVAL, "seeds", *(f"images to {t:.0%}" for t in targets)]
    rows = [
        [
            arm,
            percent(found.value),
            percent_range((found.low, found.high)),
            ", ".join(f"{100 * run.accuracies[-1]:.1f}" for run in runs if run.arm == arm and run.pairs),
            *(_images(reached(runs, arm, target)) for target in targets),
        ]
        for arm, found in study.accuracies.items()
    ]
    return header, rows


def study_table(study: ArmStudy, runs: Sequence[ArmRun], targets: Sequence[float]) -> Table:
    """Return a table of the arms for the terminal."""
    _, rows = study_rows(study, runs, targets)
    images = max(run.images[-1] for run in runs if run.records)
    table = Table(
        title=f"Verification accuracy on unseen people after {images:,} images",
        title_justify="left",
        caption="to …: images until that accuracy, median of the seeds that reach it",
        caption_justify="left",
    )
    table.add_column("arm", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column(INTERVAL, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right", overflow="fold")
    for target in targets:
        table.add_column(f"to {target:.0%}", justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def study_chapter(
    config: StudyConfig,
    study: ArmStudy,
    runs: Sequence[ArmRun],
    summary: Mapping[str, Any],
    num_people: int,
) -> Chapter:
    """Return the chapter of a study.

    Args:
        config: Configuration of the study.
        study: Comparison of its arms.
        runs: All trainings.
        summary: Result of `study_summary` with `wall_s`.
        num_people: Number of people in the training data.
    """
    header, rows = study_rows(study, runs, config.targets)
    images = max(run.images[-1] for run in runs if run.records)
    pairs = next(run.pairs for run in runs if run.pairs is not None)
    whom = f" of {pairs.num_people} other people" if pairs.num_people else ""
    return Chapter(
        title="Study",
        headlines=[
            Headline(arm, percent(found.value), f"{INTERVAL} {percent_range((found.low, found.high))}")
            for arm, found in study.accuracies.items()
        ],
        sections=[
            Section(
                title="Verification accuracy of each arm",
                text=[
                    f"Every arm saw {images:,} images of {num_people:,} people with each seed. "
                    f"{len(pairs.scores):,} pairs{whom} are verified with the final "
                    "weights.",
                    *(verdict(comparison) for comparison in study.comparisons),
                ],
                pictures=[
                    chart_picture(
                        "Accuracy against images seen",
                        arms_figure(runs),
                        "Verification accuracy of every training, a line for each, coloured by arm; final "
                        "values are in the table.",
                    ),
                    chart_picture(
                        "Accuracy at the end",
                        accuracies_figure(study, runs),
                        "Mean of each arm with its interval, and its seeds; values are in the table.",
                    ),
                ],
                tables=[DataTable(title="Arms", header=header, rows=rows)],
                notes=[
                    "Intervals cover the variation between people and between seeds. With few seeds they are "
                    "wide, because the variance between seeds is uncertain. With one seed it is unknown, and "
                    "the interval covers people only. Intervals of differences are corrected for the number "
                    "of comparisons."
                ],
            ),
            *_failures(config, runs, num_people),
        ],
        config=dump_config(config),
        facts=[
            *training_data_facts("Study", config.recognition.data, config.run.folder),
            ("Study: wall time", f"{summary['wall_s']:,.0f} s"),
        ],
    )


def _failures(config: StudyConfig, runs: Sequence[ArmRun], num_people: int) -> list[Section]:
    """Return the errors and diagnoses of trainings that failed or did not learn."""
    text = [f"{run.arm}, seed {run.seed}: {run.error}" for run in runs if run.error]
    for run in runs:
        if run.records:
            settings = build_arm_config(config, run.arm, run.seed, config.run.folder)
            found = diagnose_recognition(run.records, settings, num_people)
            text += [f"{run.arm}, seed {run.seed}: {finding.text}" for finding in found]
    return [Section(title="Failed trainings", text=text)] if text else []


@styled
def arms_figure(runs: Sequence[ArmRun]) -> Figure:
    """Draw verification accuracy against images seen, a line for each training."""
    figure, axes = chart("images seen", "verification accuracy")
    arms = list(dict.fromkeys(run.arm for run in runs))
    for arm, color, marker in zip(arms, cycle(COLORS), cycle(MARKERS), strict=False):
        for number, run in enumerate(run for run in runs if run.arm == arm and run.records):
            label = arm if number == 0 else None
            axes.plot(run.images, run.accuracies, color=color, marker=marker, label=label, alpha=0.8)
    axes.axhline(0.5, color=QUIET, linestyle="--", linewidth=1.1, label="chance", zorder=1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    percent_axis(axes)
    legend_above(figure, axes)
    return figure


@styled
def accuracies_figure(study: ArmStudy, runs: Sequence[ArmRun]) -> Figure:
    """Draw the mean of each arm with its interval, and its seeds."""
    figure, axes = chart("verification accuracy", height_in=0.9 + 0.4 * len(study.accuracies))
    colors = dict(zip(dict.fromkeys(run.arm for run in runs), cycle(COLORS), strict=False))
    for place, (arm, found) in enumerate(study.accuracies.items()):
        margins = [[found.value - found.low], [found.high - found.value]]
        color = colors[arm]
        axes.errorbar([found.value], [place], xerr=margins, fmt="o", color=color, ecolor=INK, capsize=2.5)
        of_seeds = [run.accuracies[-1] for run in runs if run.arm == arm and run.pairs]
        axes.plot(of_seeds, [place + 0.25] * len(of_seeds), "|", color=color)
    axes.set_yticks(range(len(study.accuracies)), list(study.accuracies))
    axes.set_ylim(len(study.accuracies) - 0.5, -0.5)
    axes.axvline(0.5, color=QUIET, linestyle="--", linewidth=1.1)
    percent_axis(axes, "x")
    return figure


def _images(reached_by: Sequence[float | None]) -> str:
    """Return the median over seeds, and how many of them reached the accuracy if not all did."""
    there = [images for images in reached_by if images is not None]
    if not there:
        return "–"
    text = f"{np.median(there):,.0f}"
    return text if len(there) == len(reached_by) else f"{text} ({len(there)} of {len(reached_by)})"
