"""What a training of recognition is worth, for the terminal and for a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from faceml.config import RecognitionConfig, dump_config
from faceml.metrics import ScoredPairs, roc_curve
from faceml.page import (
    BLUE,
    INTERVAL,
    QUIET,
    VERMILLION,
    Chapter,
    DataTable,
    Headline,
    Picture,
    Section,
    chart,
    legend_above,
    percent,
    percent_axis,
    percent_range,
    significant,
    styled,
    svg,
)
from faceml.reporting.data_digest import data_facts, tables_of
from faceml.reporting.recognition.diagnosis import diagnose_recognition
from faceml.reporting.training.figures import epochs_figure
from faceml.reporting.training.summary import best_record

VERIFICATION_ACCURACY = "verification/accuracy"
"""By which the best epoch is known."""
COLUMNS = {
    "epoch": ("epoch", "d"),
    "loss": ("train/loss_identity", ".3f"),
    "own nearest": ("train/accuracy", ".1%"),
    "accuracy": (VERIFICATION_ACCURACY, ".1%"),
    "EER": ("verification/equal_error_rate", ".1%"),
    "TAR at 1e-2": ("verification/tar_at_far_1e-2", ".1%"),
    "top 1": ("verification/top_1", ".1%"),
    "img/s": ("train/images_per_second", ".0f"),
}


def recognition_table(records: list[dict[str, Any]]) -> Table:
    """Return one row for each epoch. The best one is bold."""
    best = best_record(records, VERIFICATION_ACCURACY)["epoch"]
    table = Table(title="Trained people, then verification of unseen ones", title_justify="left")
    for title in COLUMNS:
        table.add_column(title, justify="right")
    for record in records:
        table.add_row(*_cells(record), style="bold" if record["epoch"] == best else "")
    return table


def recognition_answer(summary: Mapping[str, Any]) -> str:
    """Return the sentence that answers how well unseen people are told apart."""
    low, high = summary["accuracy_interval"]
    return (
        f"Of {summary['pairs']:,} pairs of {summary['people']} unseen people, "
        f"{percent(summary['accuracy'])} are judged rightly ({INTERVAL} {percent_range((low, high))}, over "
        f"people; a coin gets {percent(0.5)})."
    )


def recognition_chapter(
    config: RecognitionConfig,
    records: list[dict[str, Any]],
    pairs: ScoredPairs,
    summary: Mapping[str, Any],
    num_people: int,
) -> Chapter:
    """Return what a training of recognition has to say.

    Args:
        config: Of the training.
        records: Of its epochs.
        pairs: As the best model scores them.
        summary: Of the run.
        num_people: That were trained on.
    """
    best = best_record(records, VERIFICATION_ACCURACY)
    low, high = summary["accuracy_interval"]
    return Chapter(
        title="Recognition",
        headlines=[
            Headline(
                "Verification accuracy",
                percent(summary["accuracy"]),
                f"{INTERVAL} {percent_range((low, high))}; {summary['pairs']:,} pairs of "
                f"{summary['people']} people",
            ),
            Headline("Equal error rate", percent(best["verification/equal_error_rate"]), "lower is better"),
            Headline(
                "Accepted at 1 % false accepts",
                percent(best["verification/tar_at_far_1e-2"]),
                "of the pairs of one person",
            ),
            Headline("Identified at once", percent(best["verification/top_1"]), "by one photograph of each"),
        ],
        sections=[_unseen(records, pairs), _learning(config, records, num_people)],
        config=dump_config(config),
        facts=[
            *data_facts("Recognition", tables_of(config.data)),
            ("Recognition: wall time", f"{summary['wall_s']:,.0f} s"),
        ],
    )


def _unseen(records: list[dict[str, Any]], pairs: ScoredPairs) -> Section:
    best = best_record(records, VERIFICATION_ACCURACY)["epoch"]
    return Section(
        title="How well unseen people are told apart",
        text=[
            "Nobody here was trained on. An image's embedding is the sum of its own and its mirror image's; "
            "the threshold of each fold is chosen on the others, which show other people."
        ],
        pictures=[
            Picture(
                "Verification accuracy",
                svg(
                    epochs_figure(
                        records,
                        {"accuracy": VERIFICATION_ACCURACY},
                        "on unseen people",
                        percent=True,
                        best_epoch=best,
                        baseline=("a coin", 0.5),
                    )
                ),
                "image/svg+xml",
                f"Accuracy is {percent(records[0][VERIFICATION_ACCURACY])} after the first epoch and "
                f"{percent(records[-1][VERIFICATION_ACCURACY])} after the last.",
            ),
            Picture(
                "True and false accepts",
                svg(roc_figure(pairs)),
                "image/svg+xml",
                "The share of the pairs of one person that is accepted rises with the share of the pairs of "
                "two people that is.",
                "Rates to the left of ten falsely accepted pairs hang on very few pairs.",
            ),
            Picture(
                "Scores",
                svg(scores_figure(pairs)),
                "image/svg+xml",
                "Histograms of the cosines of pairs of one person and of pairs of two.",
                "What the two have in common is judged wrongly at any threshold.",
            ),
        ],
        tables=[
            DataTable(
                title="Every epoch",
                header=list(COLUMNS),
                rows=[_cells(record) for record in records],
                highlighted=frozenset({best - 1}),
            )
        ],
        notes=[
            "The best epoch is chosen on these same people, so that its accuracy is somewhat optimistic for "
            "new ones; the interval covers the draw of people, not that choice."
        ],
    )


def _learning(config: RecognitionConfig, records: list[dict[str, Any]], num_people: int) -> Section:
    return Section(
        title="How it learned",
        text=[
            f"{num_people:,} people, {config.data.sampling} sampling, {config.data.people_per_batch} × "
            f"{config.data.images_per_person} images a batch, {config.margin.kind} with margin "
            f"{config.margin.margin:g} at scale {config.margin.scale:g}, weights: {config.model.weights}.",
            *(finding.text for finding in diagnose_recognition(records, config, num_people)),
        ],
        pictures=[
            Picture(
                "Own centre and others'",
                svg(
                    epochs_figure(
                        records,
                        {"own person": "train/cosine_own", "others": "train/cosine_others"},
                        "cosine to the centre",
                    )
                ),
                "image/svg+xml",
                f"The cosine to the own centre goes from {significant(records[0]['train/cosine_own'])} to "
                f"{significant(records[-1]['train/cosine_own'])}.",
                "Of training images; where the two stay together nothing is learned.",
            ),
            Picture(
                "Norm of the gradient",
                svg(epochs_figure(records, {"gradient": "train/grad_norm"}, "norm, mean of an epoch")),
                "image/svg+xml",
                f"The norm goes from {significant(records[0]['train/grad_norm'])} to "
                f"{significant(records[-1]['train/grad_norm'])}.",
            ),
        ],
    )


@styled
def roc_figure(pairs: ScoredPairs) -> Figure:
    """Show true accepts against false accepts, the latter on a logarithmic axis."""
    curve, of_two = roc_curve(pairs), int((~pairs.same).sum())
    figure, axes = chart("pairs of two people accepted", "of one person accepted")
    axes.plot(np.maximum(curve.false_accepts, 1 / (2 * of_two)), curve.true_accepts, color=BLUE)
    axes.set_xscale("log")
    axes.axvline(min(1.0, 10 / of_two), color=QUIET, linestyle="--", linewidth=1.1)
    axes.set_ylim(0, 1.02)
    percent_axis(axes)
    return figure


@styled
def scores_figure(pairs: ScoredPairs) -> Figure:
    """Show how the scores of pairs of one person and of two are spread."""
    figure, axes = chart("cosine", "share of pairs")
    bins = np.linspace(min(-0.2, pairs.scores.min()), 1.0, 41).tolist()
    for which, label, color in ((pairs.same, "one person", BLUE), (~pairs.same, "two people", VERMILLION)):
        weights = np.full(int(which.sum()), 1 / max(1, which.sum()))
        axes.hist(pairs.scores[which], bins, weights=weights, color=color, alpha=0.6, label=label)
    percent_axis(axes)
    legend_above(figure, axes)
    return figure


def _cells(record: Mapping[str, Any]) -> Sequence[str]:
    return ["–" if record[name] is None else format(record[name], form) for name, form in COLUMNS.values()]
