"""What a report says of an export."""

from faceml.config import ExportConfig, dump_config
from faceml.export import INT8_FILE, ONNX_FILE, TOLERANCE, ExportResult, QuantizationLoss
from faceml.page import INTERVAL, Chapter, DataTable, Headline, Section, percent, significant
from faceml.reporting.export.tables import (
    FILES_HEADER,
    QUANTIZATION_HEADER,
    checks_line,
    file_rows,
    quantization_rows,
    quantization_title,
)

_INTERVALS = {
    "expression accuracy": (
        "The interval of the accuracy is the score interval for paired shares (Tango 1998), that of the NME "
        "Student's over the faces."
    ),
    "verification accuracy": "The interval is from a bootstrap over people, the same ones for both.",
}


def export_summary(result: ExportResult) -> str:
    """Return the answer in one or two sentences."""
    answer = f"{' and '.join(result.differences)} answer as PyTorch does, within {TOLERANCE:g}."
    loss = result.quantization
    if loss is None:
        return answer
    changed = f"{100 * loss.accuracy.difference:+.2f}"
    return f"{answer} {INT8_FILE} changes the accuracy by {changed} percentage points."


def export_chapter(result: ExportResult, config: ExportConfig) -> Chapter:
    """Return what an export has to say."""
    loss = result.quantization
    largest = max(value for differences in result.differences.values() for value in differences.values())
    outputs = ", ".join(result.outputs)
    sections = [
        Section(
            title="The files, and whether they answer as PyTorch does",
            text=[
                f"{config.model} with its preprocessing inside. The input is called images: uint8 RGB of "
                f"shape (batch, height, width, 3), any sizes. Outputs: {outputs}.",
                checks_line(result),
            ],
            tables=[DataTable("Files", FILES_HEADER, file_rows(result))],
        )
    ]
    if loss:
        sections.append(_quantization_section(loss, result))
    return Chapter(
        title="Export",
        headlines=[
            Headline("Largest difference", f"{largest:.1e}", f"from PyTorch; {TOLERANCE:g} is allowed"),
            *(_quantization_headlines(loss, result) if loss else ()),
        ],
        sections=sections,
        config=dump_config(config),
        facts=list(result.versions.items()),
    )


def _quantization_headlines(loss: QuantizationLoss, result: ExportResult) -> list[Headline]:
    accuracy, (slow, quick) = loss.accuracy, loss.latency_ms
    low, high = (100 * limit for limit in accuracy.interval or (float("nan"), float("nan")))
    share = result.bytes_of[INT8_FILE] / result.bytes_of[ONNX_FILE]
    return [
        Headline(
            "Accuracy lost to int8",
            f"{-100 * accuracy.difference:+.2f}",
            f"percentage points; {INTERVAL} {-high:+.2f} to {-low:+.2f}; n = {accuracy.count:,}",
        ),
        Headline("int8 latency", f"{significant(quick)} ms", f"an image, where float32 takes {slow:.3g} ms"),
        Headline("int8 size", percent(share), "of the float32 file"),
    ]


def _agreement(loss: QuantizationLoss) -> list[str]:
    if loss.same_expression is None:
        return [f"Both verify the same {loss.accuracy.count:,} pairs of the others."]
    return [f"Both models name the same expression on {percent(loss.same_expression)} of the others."]


def _quantization_section(loss: QuantizationLoss, result: ExportResult) -> Section:
    return Section(
        title="What integers cost",
        text=[
            f"Ranges of activations come from {result.calibration_images:,} images, which are left out here.",
            *_agreement(loss),
        ],
        tables=[
            DataTable(
                quantization_title(loss),
                QUANTIZATION_HEADER,
                quantization_rows(loss, result.bytes_of),
            )
        ],
        notes=[
            f"{_INTERVALS[loss.measure]} Differences of shares are in percentage points. Latency is the "
            "median over the images, one at a time on one thread, both models in turns, preprocessing "
            "included.",
        ],
    )
