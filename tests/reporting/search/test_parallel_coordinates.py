"""Every configuration as a line across its settings."""

import pytest
from matplotlib.lines import Line2D

from faceml.page.chart import FAINT, svg
from faceml.reporting.search.parallel_coordinates import MISSING, compared_keys, parallel_coordinates_figure
from faceml.search.trial import Trial
from tests.reporting.searches import trial


def settings(rate: float, kind: str, weight: float | None, seed: int = 0) -> dict[str, object]:
    weights = {} if weight is None else {"weighting.lambda_landmarks": weight}
    common = {"optimizer.learning_rate": rate, "training.epochs": 4, "weighting.kind": kind}
    return common | weights | {"seed": seed}


TRIALS = [
    trial(settings(1e-4, "fixed", 1.0), 0.5),
    trial(settings(1e-2, "fixed", 2.0), 0.6),
    trial(settings(1e-3, "uncertainty", None, 0), 0.8),
    trial(settings(1e-3, "uncertainty", None, 1), 0.7),
    trial(settings(1e-3, "fixed", 1.5), 0.55, epochs=2),
]


def drawn(trials: list[Trial]) -> dict[str, Line2D]:
    lines = parallel_coordinates_figure(trials).axes[0].lines
    return {
        str(line.get_label()): line for line in lines if str(line.get_label()).startswith("configuration")
    }


def test_compared_keys__differ_and_are_no_seed() -> None:
    assert compared_keys(TRIALS) == [
        "optimizer.learning_rate",
        "weighting.kind",
        "weighting.lambda_landmarks",
    ]


def test_parallel_coordinates_figure__heights_are_the_settings_and_the_mean_score() -> None:
    found = drawn(TRIALS)
    assert len(found) == 4, "two seeds are one configuration"
    # Learning rate by its logarithm, weighting by name, weight as it is, then 50 to 75 % accuracy.
    best = [float(y) for y in found["configuration 1"].get_ydata()]
    assert best == pytest.approx([0.5, 1.0, MISSING, 1.0])
    assert list(found["configuration 2"].get_ydata()) == pytest.approx([1.0, 0.0, 1.0, (0.6 - 0.5) / 0.25])
    assert list(found["configuration 3"].get_ydata()) == pytest.approx([0.0, 0.0, 0.0, 0.0])
    assert found["configuration 1"].get_linewidth() > found["configuration 2"].get_linewidth()


def test_parallel_coordinates_figure__stopped_ones_are_faint() -> None:
    assert drawn(TRIALS)["configuration 4"].get_color() == FAINT
    assert list(drawn(TRIALS)["configuration 4"].get_ydata())[-1] == pytest.approx(0.2)


def test_parallel_coordinates_figure__lower_is_better_and_equal_scores() -> None:
    trials = [trial({"x": n, "y": "a"}, 0.25 * n, metric="val/landmark_mse") for n in (1, 2)]
    assert [line.get_ydata()[-1] for _, line in sorted(drawn(trials).items())] == [1.0, 0.0]
    assert svg(parallel_coordinates_figure([trial({"x": n}, 0.5) for n in (1, 2)]))
