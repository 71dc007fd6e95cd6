"""Charts of scored pairs: ROC curves and distributions of scores."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from faceml.metrics import ScoredPairs, roc_curve
from faceml.page import BLUE, COLORS, QUIET, VERMILLION, chart, legend_above, log_axis, percent_axis, styled

LINES = ("-", "--", "-.", ":")


@styled
def roc_figure(models: Mapping[str, ScoredPairs]) -> Figure:
    """Plot the true accept rate over the false accept rate, the latter on a logarithmic axis.

    Args:
        models: The same pairs scored by each model, by its name.
    """
    figure, axes = chart("false accept rate", "true accept rate")
    different = max(int((~pairs.same).sum()) for pairs in models.values())
    for (name, pairs), color, line in zip(models.items(), cycle(COLORS), cycle(LINES), strict=False):
        curve = roc_curve(pairs)
        shown = np.maximum(curve.false_accepts, 1 / (2 * different))
        axes.plot(shown, curve.true_accepts, color=color, linestyle=line, label=name)
    axes.axvline(min(1.0, 10 / different), color=QUIET, linestyle="--", linewidth=1.1)
    axes.set_ylim(0, 1.02)
    log_axis(axes, "x")
    percent_axis(axes, "x")
    percent_axis(axes)
    if len(models) > 1:
        legend_above(figure, axes)
    return figure


@styled
def scores_figure(pairs: ScoredPairs) -> Figure:
    """Plot histograms of the scores of pairs of the same person and of different people."""
    figure, axes = chart("cosine", "share of pairs")
    bins = np.linspace(min(-0.2, pairs.scores.min()), 1.0, 41).tolist()
    for which, label, color in ((pairs.same, "same person", BLUE), (~pairs.same, "different", VERMILLION)):
        weights = np.full(int(which.sum()), 1 / max(1, which.sum()))
        axes.hist(pairs.scores[which], bins, weights=weights, color=color, alpha=0.6, label=label)
    percent_axis(axes)
    legend_above(figure, axes)
    return figure
