"""How well each class is recognised, as tables and a picture of the confusions."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from rich.table import Table

from faceml.metrics import ConfusionMatrix
from faceml.page import INK, INTERVAL, DataTable, percent, percent_range, styled

HEADER = ["images", "recall", INTERVAL, "precision", INTERVAL, "F1"]


def class_rows(confusion: ConfusionMatrix, names: Sequence[str]) -> list[list[str]]:
    """Return the cells of one row for each class: its name, then those of `HEADER`."""
    return [
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


def classes_table(confusion: ConfusionMatrix, names: Sequence[str], title: str) -> Table:
    """Return a table for the terminal."""
    table = Table("expression", title=title, title_justify="left")
    for name in HEADER:
        table.add_column(name, justify="right")
    for row in class_rows(confusion, names):
        table.add_row(*row)
    return table


def classes_data_table(confusion: ConfusionMatrix, names: Sequence[str], title: str) -> DataTable:
    """Return a table for a report."""
    return DataTable(title=title, header=["expression", *HEADER], rows=class_rows(confusion, names))


def scores_line(confusion: ConfusionMatrix) -> str:
    """Return accuracy and macro-F1 with their intervals on one line."""
    low, high = confusion.macro_f1_interval()
    return (
        f"Accuracy {percent(confusion.accuracy)} "
        f"({INTERVAL} {percent_range(confusion.accuracy_interval())}), "
        f"macro-F1 {confusion.macro_f1:.3f} ({INTERVAL} {low:.3f}–{high:.3f}) on {confusion.images:,} images."
    )


@styled
def confusion_figure(confusion: ConfusionMatrix, names: Sequence[str]) -> Figure:
    """Draw the matrix: each row's shares as shades of blue, counts as numbers."""
    counts = confusion.counts
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=40, ha="right")
    axes.set_yticks(
        ticks, [f"{name} ({count:,})" for name, count in zip(names, counts.sum(axis=1), strict=True)]
    )
    axes.set_xlabel("named so")
    axes.set_ylabel("true expression")
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
