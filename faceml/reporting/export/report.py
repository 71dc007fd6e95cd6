"""Report of an export, and its tables for the terminal."""

from collections.abc import Mapping

from faceml.config import ExportConfig, dump_config
from faceml.export import INT8_FILE, ONNX_FILE, TOLERANCE, ExportResult, QuantizationLoss
from faceml.metrics import PairedMetric
from faceml.page import INTERVAL, Chapter, DataTable, Headline, Section, percent, significant


def export_summary(result: ExportResult) -> str:
    """Return the result of an export in one or two sentences."""
    summary = f"The outputs of {' and '.join(result.differences)} equal PyTorch's within {TOLERANCE:g}."
    loss = result.quantization
    if loss is None or not loss.metrics:
        return summary
    changes = [f"{metric.label} by {_change(metric)}" for metric in loss.metrics.values()]
    return f"{summary} {INT8_FILE} changes {', '.join(changes)}."


def export_chapter(result: ExportResult, config: ExportConfig) -> Chapter:
    """Return the report of an export."""
    loss = result.quantization
    largest = max(value for differences in result.differences.values() for value in differences.values())
    sections = [
        Section(
            title="Files and their difference from PyTorch",
            text=[
                f"{config.model}, including its preprocessing. Input `images`: uint8 RGB of shape (batch, "
                f"height, width, 3), any size. Outputs: {', '.join(result.outputs)}.",
                checks_line(result),
            ],
            tables=[files_table(result)],
        )
    ]
    if loss:
        sections.append(_quantization_section(loss, result))
    return Chapter(
        title="Export",
        headlines=[
            Headline("Largest difference", f"{largest:.1e}", f"from PyTorch; tolerance {TOLERANCE:g}"),
            *(_quantization_headlines(loss, result) if loss else ()),
        ],
        sections=sections,
        config=dump_config(config),
        facts=list(result.versions.items()),
    )


def files_table(result: ExportResult) -> DataTable:
    """Return size and largest difference of each file."""
    rows = [
        [name, f"{size / 1e6:.1f}", _largest(result.differences.get(name))]
        for name, size in result.bytes_of.items()
    ]
    return DataTable("Files", ["file", "MB", "largest difference from PyTorch"], rows)


def _largest(differences: Mapping[str, float] | None) -> str:
    if differences is None:
        return "see int8 quantization"
    output = max(differences, key=differences.__getitem__)
    return f"{differences[output]:.1e} ({output})" if differences[output] else "none"


def checks_line(result: ExportResult) -> str:
    """Return the images that the files were checked on, and the effect of exact resizing."""
    images = f" and {result.checked_images} images" if result.checked_images else ""
    changes = ", ".join(f"{output} {value:.1e}" for output, value in result.from_training.items())
    return (
        f"Checked on {result.checked_batches} batches of random images{images}, with a tolerance of "
        f"{TOLERANCE:g}, relative to the largest value of outputs that exceed 1. The training rounds "
        "resized pixels to whole grey levels and decodes large JPEGs at a reduced size; the files do not, "
        f"which changes outputs on {'these images' if images else 'them'} by up to {changes}."
    )


def quantization_table(loss: QuantizationLoss, bytes_of: Mapping[str, int]) -> DataTable:
    """Return metrics, latency and size of the float32 and the int8 model.

    Args:
        loss: Measured loss.
        bytes_of: Size of each file, by its name.
    """
    (slow, fast), sizes = loss.latency_ms, (bytes_of[ONNX_FILE], bytes_of[INT8_FILE])
    rows = [[metric.label, *_values(metric)] for metric in loss.metrics.values()]
    rows.append(["ms per image", f"{slow:.1f}", f"{fast:.1f}", f"×{fast / slow:.2f}", ""])
    rows.append(["MB", *(f"{size / 1e6:.1f}" for size in sizes), f"×{sizes[1] / sizes[0]:.2f}", ""])
    title = f"Effect of int8 quantization on {loss.images:,} images not used for calibration"
    return DataTable(title, ["metric", "float32", "int8", "int8 − float32", INTERVAL], rows)


def _values(metric: PairedMetric) -> list[str]:
    both = (
        percent(value, 2) if metric.is_share else significant(value)
        for value in (metric.first, metric.second)
    )
    return [*both, _difference(metric, metric.difference), _interval(metric)]


def _interval(metric: PairedMetric) -> str:
    return " to ".join(_difference(metric, limit) for limit in metric.interval) if metric.interval else "–"


def _difference(metric: PairedMetric, value: float) -> str:
    """Format a difference of shares in percentage points, and one of other metrics in their units."""
    return f"{100 * value:+.2f}" if metric.is_share else f"{value:+.2g}"


def _change(metric: PairedMetric) -> str:
    return _difference(metric, metric.difference) + (" percentage points" if metric.is_share else "")


def _quantization_headlines(loss: QuantizationLoss, result: ExportResult) -> list[Headline]:
    slow, fast = loss.latency_ms
    share = result.bytes_of[INT8_FILE] / result.bytes_of[ONNX_FILE]
    return [
        *(_metric_headline(metric) for metric in list(loss.metrics.values())[:1]),
        Headline("int8 latency", f"{significant(fast)} ms", f"per image; float32 takes {slow:.3g} ms"),
        Headline("int8 size", percent(share), "of the float32 file"),
    ]


def _metric_headline(metric: PairedMetric) -> Headline:
    unit = "percentage points" if metric.is_share else f"float32: {significant(metric.first)}"
    return Headline(
        f"Change of {metric.label} by int8",
        _difference(metric, metric.difference),
        f"{unit}; {INTERVAL} {_interval(metric)}; n = {metric.count:,}",
    )


def _quantization_section(loss: QuantizationLoss, result: ExportResult) -> Section:
    agreement = "".join(
        f" Both models predict the same {task} on {percent(share)} of the images."
        for task, share in loss.agreement.items()
    )
    labels = dict[str, list[str]]()
    for metric in loss.metrics.values():
        labels.setdefault(metric.method, []).append(metric.label)
    methods = "; ".join(f"{', '.join(measured)}: {method}" for method, measured in labels.items())
    intervals = f"Intervals: {methods}. " if methods else ""
    return Section(
        title="int8 quantization",
        text=[
            f"Activation ranges were calibrated on {result.calibration_images:,} images, which are excluded "
            f"here.{agreement}"
        ],
        tables=[quantization_table(loss, result.bytes_of)],
        notes=[
            f"{intervals}Differences of shares are in percentage points. Latency is "
            "the median over the images, one at a time on one thread, preprocessing included; the models "
            "alternate.",
        ],
    )
