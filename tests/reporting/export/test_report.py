"""Report of an export and its tables."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from faceml.config.export import ExportConfig
from faceml.config.loading import parse_config
from faceml.export.quantization_loss import QuantizationLoss
from faceml.export.write import ExportResult
from faceml.metrics.paired import PairedMetric
from faceml.page.html import Report, render_report
from faceml.page.tables import DataTable
from faceml.reporting.export.report import (
    checks_line,
    export_chapter,
    export_summary,
    files_table,
    quantization_table,
)

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
ACCURACY = PairedMetric(
    "accuracy", "expression accuracy", 0.8, 0.7875, -0.0125, (-0.03, 0.01), 400, is_share=True, method="Tango"
)
ERROR = PairedMetric("mae", "pose MAE", 4.5, 4.75, 0.25, (0.1, 0.4), 380, is_share=False, method="Student")


@pytest.fixture
def result() -> ExportResult:
    return ExportResult(
        outputs=("logits", "landmarks"),
        bytes_of={"model.onnx": 44_900_000, "model_int8.onnx": 11_400_000, "model.pt2": 45_200_000},
        checked_batches=12,
        checked_images=7,
        differences={
            "model.onnx": {"logits": 2e-7, "landmarks": 1.24e-6},
            "model.pt2": {"logits": 0.0, "landmarks": 0.0},
        },
        from_training={"logits": 0.012, "landmarks": 3e-4},
        calibration_images=20,
        quantization=QuantizationLoss(
            images=400,
            metrics={"accuracy": ACCURACY},
            agreement={"expression": 0.97},
            latency_ms=(8.0, 4.0),
        ),
        versions={"torch": "2.15.0"},
        opset=18,
    )


@pytest.fixture
def config(tmp_path: Path) -> ExportConfig:
    return parse_config(ExportConfig, {"model": "s3://a/best_model.pt", "run": {"folder": str(tmp_path)}})


def plain(table: DataTable) -> list[list[str]]:
    return [[cell.replace(NO_BREAK_SPACE, " ") for cell in row] for row in table.rows]


def test_files_table__names_the_output_that_differs_most(result: ExportResult) -> None:
    assert files_table(result).rows == [
        ["model.onnx", "44.9", "1.2e-06 (landmarks)"],
        ["model_int8.onnx", "11.4", "see int8 quantization"],
        ["model.pt2", "45.2", "none"],
    ]


def test_checks_line__names_the_images_and_the_effect_of_rounding(result: ExportResult) -> None:
    line = checks_line(result)
    assert "on 12 batches of random images and 7 images, with a tolerance of 0.0001, relative to" in line
    assert line.endswith("changes outputs on these images by up to logits 1.2e-02, landmarks 3.0e-04.")


def test_quantization_table__holds_differences_in_points_and_omits_missing_metrics(
    result: ExportResult,
) -> None:
    assert result.quantization
    assert plain(quantization_table(result.quantization, result.bytes_of)) == [
        ["expression accuracy", "80.00 %", "78.75 %", "-1.25", "-3.00 to +1.00"],
        ["ms per image", "8.0", "4.0", "×0.50", ""],
        ["MB", "44.9", "11.4", "×0.25", ""],
    ]


def test_export_chapter__has_the_loss_with_its_interval(result: ExportResult, config: ExportConfig) -> None:
    chapter = export_chapter(result, config)
    headlines = {h.label: (h.value, h.detail.replace(NO_BREAK_SPACE, " ")) for h in chapter.headlines}
    assert headlines["Largest difference"][0] == "1.2e-06"
    assert headlines["Change of expression accuracy by int8"] == (
        "-1.25",
        "percentage points; 95 % interval -3.00 to +1.00; n = 400",
    )
    assert "changes expression accuracy by -1.25 percentage points." in export_summary(result)
    page = render_report(Report("Export", export_summary(result), [chapter]))
    assert "s3://a/best_model.pt, including its preprocessing" in page


def test_export_chapter__of_several_tasks_has_the_loss_of_each(
    result: ExportResult, config: ExportConfig
) -> None:
    assert result.quantization
    loss = replace(result.quantization, metrics={"accuracy": ACCURACY, "pose/mae": ERROR})
    several = replace(result, quantization=loss)
    assert plain(quantization_table(loss, result.bytes_of))[:2] == [
        ["expression accuracy", "80.00 %", "78.75 %", "-1.25", "-3.00 to +1.00"],
        ["pose MAE", "4.5", "4.75", "+0.25", "+0.1 to +0.4"],
    ]
    assert export_summary(several).endswith(
        "changes expression accuracy by -1.25 percentage points, pose MAE by +0.25."
    )
    (_, section) = export_chapter(several, config).sections
    assert "expression accuracy: Tango; pose MAE: Student." in section.notes[0]
    assert section.text[0].endswith(f"the same expression on 97.0{NO_BREAK_SPACE}% of the images.")


def test_export_chapter__of_a_kind_without_metrics_has_the_latency(
    result: ExportResult, config: ExportConfig
) -> None:
    assert result.quantization
    without = replace(result, quantization=replace(result.quantization, metrics={}, agreement={}))
    assert export_summary(without).endswith("within 0.0001.")
    page = render_report(Report("Export", export_summary(without), [export_chapter(without, config)]))
    assert "ms per image" in page


def test_files_table__has_a_row_for_each_file_on_the_terminal(result: ExportResult) -> None:
    console = Console(record=True, width=120)
    console.print(files_table(result))
    text = console.export_text()
    assert [name for name in result.bytes_of if name in text] == list(result.bytes_of)


def test_export_summary__without_int8_does_not_mention_it(result: ExportResult, config: ExportConfig) -> None:
    floats = replace(result, quantization=None)
    assert export_summary(floats) == "The outputs of model.onnx and model.pt2 equal PyTorch's within 0.0001."
    assert len(export_chapter(floats, config).sections) == 1
