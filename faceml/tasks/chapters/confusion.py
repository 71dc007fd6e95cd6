"""Confusion matrix of a classification as table, picture and lines of text."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from faceml.metrics import ConfusionMatrix
from faceml.page import (
    INK,
    INTERVAL,
    WIDTH_IN,
    DataTable,
    Picture,
    chart_picture,
    percent,
    percent_range,
    styled,
)


def classes_table(confusion: ConfusionMatrix, names: Sequence[str], title: str, noun: str) -> DataTable:
    """Return recall, precision and F1 of each class, with 95 % Wilson intervals.

    Args:
        confusion: Confusion matrix.
        names: Names of the classes.
        title: Title of the table.
        noun: Word for a class, such as `expression`.
    """
    header = [noun, "images", "recall", INTERVAL, "precision", INTERVAL, "F1"]
    rows = [
        [
            name,
            f"{score.images:,}",
            percent(score.recall),
            percent_range(score.recall_interval) if score.images else "–",
            percent(score.precision),
            "–" if math.isnan(score.precision) else percent_range(score.precision_interval),
            "–" if math.isnan(score.f1) else f"{score.f1:.3f}",
        ]
        for name, score in zip(names, confusion.class_scores(), strict=True)
    ]
    return DataTable(title, header, rows)


def scores_line(confusion: ConfusionMatrix) -> str:
    """Return accuracy and macro-F1 with their intervals on one line."""
    low, high = confusion.macro_f1_interval()
    return (
        f"Accuracy {percent(confusion.accuracy)} "
        f"({INTERVAL} {percent_range(confusion.accuracy_interval())}), "
        f"macro-F1 {confusion.macro_f1:.3f} ({INTERVAL} {low:.3f}–{high:.3f}) on {confusion.images:,} images."
    )


def confusion_picture(confusion: ConfusionMatrix, names: Sequence[str], noun: str) -> Picture:
    """Return the confusion matrix as a picture; `noun` is the word for a class."""
    return chart_picture(
        "Confusion matrix",
        confusion_figure(confusion, names, noun),
        f"Numbers of images by true and predicted {noun}; the table below has the recall of each class.",
        "Rows are true classes, columns predicted ones. Shades show shares of a row.",
    )


@styled
def confusion_figure(confusion: ConfusionMatrix, names: Sequence[str], noun: str) -> Figure:
    """Draw the confusion matrix: counts as numbers, shares of each row as shades of blue."""
    counts = confusion.counts
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    number = len(names)
    size_in = (max(WIDTH_IN, 2.4 + 0.5 * number), max(2.8, 1.4 + 0.5 * number))
    figure = Figure(figsize=size_in, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=40, ha="right")
    axes.set_yticks(
        ticks, [f"{name} ({count:,})" for name, count in zip(names, counts.sum(axis=1), strict=True)]
    )
    axes.set_xlabel(f"predicted {noun}")
    axes.set_ylabel(f"true {noun}")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row in ticks:
        for column in ticks:
            if counts[row, column]:
                color = "white" if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color)
    return figure
