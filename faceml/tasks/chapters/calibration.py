"""Calibration of predicted probabilities: section of a report with the reliability diagram."""

import numpy as np
from matplotlib.figure import Figure

from faceml.metrics import Calibration
from faceml.page import BLUE, INK, QUIET, Section, chart, chart_picture, percent, percent_axis, styled
from faceml.statistics import wilson_interval


def calibration_sentence(calibration: Calibration) -> str:
    """Return the expected calibration error and whether it exceeds that of a calibrated model."""
    error, chance = percent(calibration.ece), percent(calibration.chance_ece)
    if not calibration.is_off:
        return (
            f"The probabilities are well calibrated: the expected calibration error is {error}, and a "
            f"perfectly calibrated model has up to {chance} on this number of images."
        )
    how = "overconfident" if calibration.overconfidence > 0 else "underconfident"
    return (
        f"The model is {how}: mean confidence and accuracy differ by "
        f"{abs(100 * calibration.overconfidence):.1f} points. The expected calibration error is {error}; a "
        f"perfectly calibrated model has up to {chance} on this number of images. Apply temperature scaling "
        "before using the probabilities (Guo et al. 2017)."
    )


def calibration_section(calibration: Calibration) -> Section:
    """Return the section of a report about calibration."""
    sentence = calibration_sentence(calibration)
    return Section(
        title="Calibration of the probabilities",
        text=[sentence],
        pictures=[
            chart_picture(
                "Reliability diagram",
                reliability_figure(calibration),
                sentence,
                "Points below the dotted line are overconfident bins; bars are shares of all images.",
            )
        ],
    )


@styled
def reliability_figure(calibration: Calibration) -> Figure:
    """Plot accuracy over confidence with 95 % Wilson intervals, and the distribution of the confidences.

    Args:
        calibration: Calibration on at least one image.
    """
    figure, axes = chart("confidence", "accuracy", height_in=3.4)
    edges = np.linspace(0, 1, len(calibration.counts) + 1)
    filled = calibration.counts > 0
    accuracies, places = calibration.accuracy[filled], calibration.confidence[filled]
    counts = zip(calibration.right[filled], calibration.counts[filled], strict=True)
    limits = np.array([wilson_interval(int(right), int(images)) for right, images in counts])
    axes.bar(
        edges[:-1], calibration.counts / calibration.counts.sum(), np.diff(edges) * 0.9, align="edge",
        color=QUIET, alpha=0.35, label="share of images",
    )  # fmt: skip
    axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=1.1, label="perfect calibration")
    axes.errorbar(
        places, accuracies, np.abs(limits.T - accuracies), fmt="o", color=BLUE, elinewidth=1.1, capsize=2.5,
        label="accuracy, 95 % interval",
    )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    percent_axis(axes, "x")
    percent_axis(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure
