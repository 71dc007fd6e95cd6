"""Results of a regression in reports and on the terminal.

Shape letters: N images, K numbers.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from faceml.datasets import Target
from faceml.metrics import Score
from faceml.page import (
    BLUE,
    INK,
    INTERVAL,
    QUIET,
    WIDTH_IN,
    DataTable,
    Picture,
    Section,
    Tile,
    chart_picture,
    sheet_pictures,
    significant,
    styled,
)
from faceml.statistics import (
    Interval,
    concordance,
    concordance_interval,
    mean_interval,
    root_mean_square_interval,
)
from faceml.tasks.chapters.base import TaskChapter
from faceml.tasks.chapters.evaluation import TaskEvaluation
from faceml.tasks.chapters.results import ImageValues, Mistake, ReportedTask, TrainingResults, Values
from faceml.tasks.columns import list_values

MOST_POINTS = 400
"""Number of images in a chart, a random sample of larger splits."""
MOST_PANELS = 6


class RegressionChapter(TaskChapter):
    """What reports and the terminal show of a regression.

    Args:
        task: The task.
        numbers: Names of its K columns.
    """

    def __init__(self, task: ReportedTask, numbers: Sequence[str]) -> None:
        super().__init__(task)
        self.numbers = numbers
        self.mae = next(score for score in task.scores if score.metric == "mae")

    @property
    def purpose(self) -> str:
        """What the network does for the task, to go on from `The model`."""
        return f"estimates {', '.join(self.numbers)}"

    def score_pictures(self, results: TrainingResults) -> list[Picture]:
        """Return a chart of each metric, with a curve for each column where the metric has one."""
        return [
            self.curves_picture(results, score, self._columns_of(score, results.best))
            for score in self.task.scores
        ]

    def _columns_of(self, score: Score, record: Mapping[str, Any]) -> dict[str, str]:
        each = {number: f"{score.metric}_{number}" for number in self.numbers}
        return (
            each
            if all(self.record_name(name) in record for name in each.values())
            else {score.label: score.metric}
        )

    def result_table(self, metrics: Mapping[str, Any], title: str) -> DataTable:
        """Return MAE, RMSE and CCC of all columns, and MAE and CCC of each one."""
        intervals = self.intervals(metrics)
        rows = [
            [
                "all" if len(self.numbers) > 1 else self.numbers[0],
                significant(metrics["mae"]),
                self.mae.format_range(intervals.get("mae")),
                significant(metrics["rmse"]),
                _ccc(metrics["ccc"]),
            ]
        ]
        if len(self.numbers) > 1:
            rows += [
                [number, significant(metrics[f"mae_{number}"]), "–", "–", _ccc(metrics[f"ccc_{number}"])]
                for number in self.numbers
            ]
        return DataTable(title, ["column", "MAE", INTERVAL, "RMSE", "CCC"], rows)

    def evaluation(
        self, metrics: Mapping[str, Any], predictions: pa.Table, target: Target
    ) -> "RegressionEvaluation":
        """Return what reports contain about an evaluation."""
        return RegressionEvaluation(self, metrics, predictions, target)


class RegressionEvaluation(TaskEvaluation):
    """What reports contain about the evaluation of a regression."""

    chapter: RegressionChapter

    @cached_property
    def predicted(self) -> Values:
        """Predicted numbers, of shape (N, K)."""
        return list_values(self.predictions, self.chapter.name)

    @cached_property
    def truth(self) -> Values:
        """True numbers, of shape (N, K); NaN for images without a target."""
        values = self.target.values[:, : len(self.chapter.numbers)].double().numpy()
        return np.where(self.known[:, None], values, np.nan)

    def image_values(self) -> ImageValues:
        """Return the absolute error of each image, mean over the columns."""
        return ImageValues(
            self.chapter.mae, np.abs(self.predicted - self.truth).mean(axis=1), is_binary=False
        )

    def intervals(self) -> dict[str, Interval]:
        """Return Student's interval of the MAE, and that of the RMSE and the CCC of a single column."""
        errors = (self.predicted - self.truth)[self.known]
        found = {
            "mae": mean_interval(np.abs(errors).mean(axis=1)),
            "rmse": root_mean_square_interval(np.sqrt(np.square(errors).mean(axis=1))),
            "ccc": concordance_interval(self.predicted[self.known, 0], self.truth[self.known, 0])
            if len(self.chapter.numbers) == 1
            else None,
        }
        return {name: limits for name, limits in found.items() if limits is not None}

    def mistakes(self, most: int) -> list[Mistake]:
        """Return the images with the largest mean absolute error, captioned by their worst column."""
        sizes = np.abs(self.predicted - self.truth)
        rows = np.flatnonzero(self.known)
        worst = rows[np.argsort(-sizes[rows].mean(axis=1), kind="stable")][:most]
        return [Mistake(int(row), self._caption(row, int(sizes[row].argmax()))) for row in worst]

    def _caption(self, row: np.int64, column: int) -> str:
        true, predicted = self.truth[row, column], self.predicted[row, column]
        return f"{true:.2g} / {predicted:.2g} {self.chapter.numbers[column]}"

    def filled_sections(self, mistakes: Sequence[Tile]) -> list[Section]:
        """Return errors and concordance of each column, predicted over true numbers, and the worst faces."""
        chapter, truth, predicted = self.chapter, self.truth[self.known], self.predicted[self.known]
        shown = chapter.numbers[:MOST_PANELS]
        names = ", ".join(shown)
        section = Section(
            title=chapter.title,
            pictures=[
                chart_picture(
                    f"Predicted and true {names}",
                    scatter_figure(shown, truth, predicted),
                    f"Predicted over true {names}; the table below has errors and concordance.",
                    "Points on the dotted line are exact. A flat cloud shows predictions that stay near the "
                    "mean." + (f" A sample of {MOST_POINTS} images." if self.faces > MOST_POINTS else ""),
                ),
                *sheet_pictures(
                    mistakes,
                    "Largest errors",
                    "images with the largest errors",
                    "True / predicted number of the column that is most wrong, the largest error first.",
                ),
            ],
            tables=[self.table("Errors and concordance of each column")],
            notes=[
                "Intervals of MAE and RMSE are Student's over images, those of the concordance correlation "
                "coefficient (CCC) are by Lin 1989."
            ],
        )
        return [section]

    def table(self, title: str) -> DataTable:
        """Return errors and concordance of each column with their intervals."""
        mae, rows = self.chapter.mae, []
        truth, predicted = self.truth[self.known].T, self.predicted[self.known].T
        for number, true, found in zip(self.chapter.numbers, truth, predicted, strict=True):
            errors = found - true
            rows.append(
                [
                    number,
                    significant(float(np.abs(errors).mean())),
                    mae.format_range(mean_interval(np.abs(errors))),
                    significant(float(np.sqrt(np.square(errors).mean()))),
                    mae.format_range(root_mean_square_interval(errors)),
                    _ccc(concordance(found, true)),
                    CCC.format_range(concordance_interval(found, true)),
                ]
            )
        return DataTable(title, ["column", "MAE", INTERVAL, "RMSE", INTERVAL, "CCC", INTERVAL], rows)

    def card_table(self) -> DataTable | None:
        """Return errors and concordance of each column."""
        return self.table("") if self.faces else None

    def summary(self) -> dict[str, Any]:
        """Return the intervals of the CCC of each column, where there are several."""
        if len(self.chapter.numbers) == 1 or not self.faces:
            return {}
        pairs = zip(self.chapter.numbers, self.predicted[self.known].T, self.truth[self.known].T, strict=True)
        return {f"ccc_{number}_interval": concordance_interval(found, true) for number, found, true in pairs}


CCC = Score("ccc", "CCC", minimised=False, is_share=False, digits=3)


@styled
def scatter_figure(numbers: Sequence[str], truth: Values, predicted: Values) -> Figure:
    """Plot predicted over true numbers, a panel for each column.

    Args:
        numbers: Names of the columns.
        truth: Of shape (N, K), K at least as large as there are names.
        predicted: Of the same shape.
    """
    chosen = np.random.default_rng(0).permutation(len(truth))[:MOST_POINTS]
    figure = Figure(figsize=(WIDTH_IN, 2.6 * len(numbers) + 0.3), layout="constrained")
    panels = figure.subplots(len(numbers), squeeze=False)[:, 0]
    for column, (axes, number) in enumerate(zip(panels, numbers, strict=True)):
        x, y = truth[chosen, column], predicted[chosen, column]
        limits = [min(x.min(), y.min()), max(x.max(), y.max())]
        axes.plot(limits, limits, ":", color=INK, linewidth=1.1)
        axes.plot(x, y, "o", color=BLUE, markersize=3, alpha=0.5, markeredgewidth=0)
        axes.set_title(number, loc="left", fontsize=10, color=QUIET)
        axes.set_ylabel("predicted")
    panels[-1].set_xlabel("true")
    return figure


def _ccc(value: float | None) -> str:
    return CCC.format(value).replace("-", "−")
