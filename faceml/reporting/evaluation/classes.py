"""Metrics of expressions and landmarks as headlines, tables and the confusion matrix."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from faceml.metrics import ConfusionMatrix
from faceml.page import (
    INK,
    INTERVAL,
    DataTable,
    Headline,
    Picture,
    chart_picture,
    percent,
    percent_range,
    significant,
    styled,
)


def classes_table(confusion: ConfusionMatrix, names: Sequence[str], title: str) -> DataTable:
    """Return recall, precision and F1 of each class, with 95 % Wilson intervals."""
    header = ["expression", "images", "recall", INTERVAL, "precision", INTERVAL, "F1"]
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


def macro_f1_headline(confusion: ConfusionMatrix, macro_f1: float) -> Headline:
    """Return macro-F1 with its interval from the confusion matrix."""
    low, high = confusion.macro_f1_interval()
    return Headline("Macro-F1", f"{macro_f1:.3f}", f"{INTERVAL} {low:.3f}–{high:.3f}; unweighted class mean")


def landmark_headlines(mse: float | None, nme: float | None) -> list[Headline]:
    """Return the errors of the landmarks; None where no face has landmarks."""
    return [
        Headline("Landmark MSE", significant(mse), "of coordinates normalised to 0 … 1"),
        Headline("Landmark NME", percent(nme), "of the interocular distance"),
    ]


def point_errors_table(errors: Mapping[str, float | None], title: str) -> DataTable:
    """Return the normalised mean error (NME) of each landmark, by its name."""
    rows = [[name.replace("_", " "), percent(error)] for name, error in errors.items()]
    return DataTable(title, ["landmark", "NME"], rows)


def confusion_picture(confusion: ConfusionMatrix, names: Sequence[str]) -> Picture:
    """Return the confusion matrix as a picture."""
    return chart_picture(
        "Confusion matrix",
        confusion_figure(confusion, names),
        "Numbers of images by true and predicted expression; the table below has the recall of each class.",
        "Rows are true expressions, columns predicted ones. Shades show shares of a row.",
    )


@styled
def confusion_figure(confusion: ConfusionMatrix, names: Sequence[str]) -> Figure:
    """Draw the confusion matrix: counts as numbers, shares of each row as shades of blue."""
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
    axes.set_xlabel("predicted expression")
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
