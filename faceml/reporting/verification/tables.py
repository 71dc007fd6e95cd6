"""Tables of an evaluation of face recognition."""

from collections.abc import Sequence

import numpy as np

from faceml.page import INTERVAL, PERCENT, DataTable, percent, percent_range
from faceml.reporting.verification.findings import (
    ACCURACY,
    DIGITS,
    ExtremePair,
    ModelScores,
    SetFindings,
    verdict_on,
)
from faceml.statistics import Interval
from faceml.training import EVALUATED_RATES, group_accuracies, true_accept_name

MAIN = {"accuracy": "accuracy", "equal_error_rate": "EER", "area_under_curve": "AUC"}


def verification_table(found: SetFindings) -> DataTable:
    """Return accuracy, equal error rate and area under the curve of each model."""
    rows = [
        [name, *(cell for metric in MAIN for cell in _cells(model, metric))]
        for name, model in found.models.items()
    ]
    header = [cell for label in MAIN.values() for cell in (label, INTERVAL)]
    return DataTable(f"{found.name}: verification", ["model", *header], rows)


def true_accepts_table(found: SetFindings) -> DataTable:
    """Return the true accept rates that can be measured, and the identification rates, of each model."""
    rates = measured_rates(found)
    ranks = [name for name in found.first.identified if not np.isnan(found.first.identified[name])]
    rows = [
        [
            name,
            *(cell for rate in rates for cell in _cells(model, true_accept_name(rate))),
            *(percent(model.identified[rank], DIGITS) for rank in ranks),
        ]
        for name, model in found.models.items()
    ]
    header = [cell for rate in rates for cell in (f"TAR at FAR {100 * rate:g}{PERCENT}", INTERVAL)]
    names = [rank.replace("top_", "rank ") for rank in ranks]
    return DataTable(f"{found.name}: true accept rates", ["model", *header, *names], rows)


def measured_rates(found: SetFindings) -> list[float]:
    """Return the false accept rates for which the set has enough pairs of two people."""
    return [rate for rate in EVALUATED_RATES if not np.isnan(found.first.metrics[true_accept_name(rate)])]


def comparison_table(found: SetFindings) -> DataTable:
    """Return the differences of models in accuracy, and how many pairs only one of both gets right."""
    rows = []
    for comparison in found.comparisons:
        difference = comparison.difference
        first, second = (found.models[name].right for name in (comparison.arm, comparison.other))
        rows.append(
            [
                f"{comparison.arm} − {comparison.other}",
                ACCURACY.format_difference(difference.value),
                ACCURACY.format_limits((difference.low, difference.high)),
                f"{int((first & ~second).sum()):,}",
                f"{int((second & ~first).sum()):,}",
                verdict_on(comparison),
            ]
        )
    header = ["models", "difference", "interval", "only first right", "only second right", "verdict"]
    return DataTable(f"{found.name}: differences in accuracy, in percentage points", header, rows)


def folds_table(found: SetFindings) -> DataTable:
    """Return accuracy and threshold of each fold for each model."""
    models = found.models.values()
    numbers = range(len(found.first.folds.accuracies))
    rows = [
        [
            str(number + 1),
            *(
                cell
                for model in models
                for cell in (
                    percent(float(model.folds.accuracies[number]), DIGITS),
                    cosine(model.folds.thresholds[number]),
                )
            ),
        ]
        for number in numbers
    ]
    spread = ["standard deviation"]
    for model in models:
        spread += [percent(float(np.std(model.folds.accuracies, ddof=1)), DIGITS), ""]
    header = [cell for name in found.models for cell in (name, "threshold")]
    return DataTable(f"{found.name}: accuracy of each fold", ["fold", *header], [*rows, spread])


def scores_table(found: SetFindings) -> DataTable:
    """Return percentiles of the scores of genuine and of impostor pairs."""
    rows = []
    for name, model in found.models.items():
        for label, which in (("same person", model.scored.same), ("different", ~model.scored.same)):
            scores = model.scored.scores[which & ~found.counted_wrong]
            figures = np.percentile(scores, [1, 50, 99]) if len(scores) else np.full(3, np.nan)
            rows.append([name, label, f"{len(scores):,}", *map(cosine, figures)])
    header = ["model", "pairs", "number", "1st percentile", "median", "99th percentile"]
    return DataTable(f"{found.name}: cosine similarities", header, rows)


def group_tables(found: SetFindings) -> list[DataTable]:
    """Return accuracy and error rates of the evaluated model in each group of pairs."""
    tables = []
    same, accepted = found.pairs.same, found.first.folds.accepted
    for title, groups in found.groups.items():
        accuracies = group_accuracies(found.pairs, found.first.right, groups)
        rows = [
            [
                name,
                f"{int(group.sum()):,}",
                percent(accuracies[name].value, DIGITS),
                _range((accuracies[name].low, accuracies[name].high)),
                percent(_share(~accepted[group & same]), DIGITS),
                percent(_share(accepted[group & ~same]), DIGITS),
            ]
            for name, group in groups.items()
        ]
        header = [title, "pairs", "accuracy", INTERVAL, "false rejects", "false accepts"]
        tables.append(DataTable(f"{found.name}: accuracy by {title}", header, rows))
    return tables


def extremes_table(title: str, pairs: Sequence[ExtremePair]) -> DataTable:
    """Return the names and the cosines of pairs."""
    rows = [
        [str(number), cosine(pair.score), *pair.images, decision(pair)]
        for number, pair in enumerate(pairs, start=1)
    ]
    return DataTable(title, ["pair", "cosine", "image", "other image", "decision"], rows)


def cosine(score: float) -> str:
    """Format a cosine, or a threshold on cosines."""
    return f"{score:.3f}".replace("-", "−")


def decision(pair: ExtremePair) -> str:
    """Return whether a pair is accepted as one of the same person."""
    return "accepted" if pair.is_accepted else "rejected"


def _cells(model: ModelScores, metric: str) -> tuple[str, str]:
    return percent(model.metrics[metric], DIGITS), percent_range(model.intervals.get(metric), DIGITS)


def _range(limits: Interval) -> str:
    return percent_range(limits if limits[0] < limits[1] else None, DIGITS)


def _share(mask: np.ndarray) -> float | None:
    return float(mask.mean()) if len(mask) else None
