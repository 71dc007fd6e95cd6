"""`faceml export`: a trained model as ONNX and ExportedProgram files that run without faceml or Ray."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console

from faceml.config import ConfigError, ExportConfig, QuantizeConfig, dump_config
from faceml.datasets import IDENTITY, VerificationPairs, draw_pairs
from faceml.export import (
    INT8_FILE,
    MODEL_FILES,
    ONNX_FILE,
    CheckedImages,
    Exportable,
    ExportResult,
    QuantizationLoss,
    SplitImages,
    differences_from_training,
    eager_inference,
    load_exportable,
    measure_task_loss,
    measure_verification_loss,
    open_split,
    refuse_missing_packages,
    run_alternately,
    write_int8_model,
    write_models,
)
from faceml.page import ProgressReport, Report
from faceml.prediction import model_file
from faceml.reporting import checks_line, export_chapter, export_summary, files_table, quantization_table
from faceml.runs import REPORT_FILE, SUMMARY_FILE, RunFolder

logger = logging.getLogger(__name__)

VERIFIED_PAIRS = 6000
"""Number of pairs in LFW's verification protocol."""


class Calibrated(NamedTuple):
    """Division of a split into calibration and measurement images of an int8 model.

    Attributes:
        calibration: Indices of the calibration images.
        measured: Indices of all other images.
        pairs: Verification pairs of the measured images; None without a model of recognition.
    """

    calibration: list[int]
    measured: list[int]
    pairs: VerificationPairs | None


def run(config: ExportConfig) -> ExportResult:
    """Export, check, quantise and measure the model, and write the results.

    Raises:
        ConfigError: The model, the data or a package cannot be used.
        StoppedError: The outputs of an exported model differ from PyTorch's.
    """
    started_s = time.monotonic()
    refuse_missing_packages(config.formats)
    with RunFolder(config.run.folder) as run_folder:
        run_folder.check_kind(dump_config(config))
        config = config.model_copy(update={"model": model_file(config.model)})
        result = _export(config, run_folder)
        run_folder.write_config(dump_config(config))
        run_folder.write_summary(result.summary(time.monotonic() - started_s))
        run_folder.finish(lambda: Report("Export", export_summary(result), [export_chapter(result, config)]))
    return result


def _export(config: ExportConfig, run_folder: RunFolder) -> ExportResult:
    """Write and check the model files."""
    exportable, folder = load_exportable(config.model, config.opset), run_folder.path
    preprocessing = exportable.preprocessing
    measured_tasks = list(exportable.tasks.values()) if config.quantize else []
    split = (
        open_split(config.data, preprocessing, exportable.landmark_set, measured_tasks)
        if config.data
        else None
    )
    drawn = _draw_calibration(config.quantize, exportable, split) if config.quantize and split else None
    chosen = _draw(len(split), config.check_images, config.seed) if split else []
    checked = CheckedImages(preprocessing, config.seed, split, chosen)
    # Files of an earlier export would be taken for those of this one, should it fail.
    run_folder.remove(*MODEL_FILES, SUMMARY_FILE, REPORT_FILE)
    logger.info("Exporting %s as %s", config.model, " and ".join(config.formats))
    differences = write_models(exportable, config.formats, config.opset, checked, folder)
    logger.info("The outputs of each file match PyTorch's on %d batches of images", len(checked))
    loss = None
    if config.quantize and split and drawn:
        images = map(split.decoded, drawn.calibration)
        write_int8_model(folder, images, config.quantize.weight_bits)
        loss = _measure(exportable, split, drawn, folder)
    return ExportResult(
        outputs=tuple(exportable.graph.outputs),
        opset=config.opset if ONNX_FILE in differences else None,
        bytes_of={name: (folder / name).stat().st_size for name in MODEL_FILES if (folder / name).is_file()},
        checked_batches=len(checked) - len(chosen),
        checked_images=len(chosen),
        differences=differences,
        from_training=differences_from_training(
            exportable.graph, preprocessing, eager_inference(exportable.graph), checked
        ),
        calibration_images=len(drawn.calibration) if drawn else 0,
        quantization=loss,
        versions=_versions(config.formats),
    )


def _draw(size: int, count: int, seed: int) -> list[int]:
    """Draw up to `count` indices below `size`, in ascending order."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = sorted(rng.permutation(size)[:count].tolist())
    return drawn


def _draw_calibration(config: QuantizeConfig, exportable: Exportable, split: SplitImages) -> Calibrated:
    """Divide a split into calibration and measurement images.

    Raises:
        ConfigError: No image is left to measure on.
    """
    if config.calibration_images >= len(split):
        raise ConfigError(
            f"quantize.calibration_images = {config.calibration_images}: data.table has {len(split)} images, "
            "and the remaining ones are needed to measure the loss. Choose a smaller number."
        )
    calibration = _draw(len(split), config.calibration_images, config.seed)
    measured = sorted(set(range(len(split))) - set(calibration))
    if exportable.tasks:
        return Calibrated(calibration, measured, None)
    people = split.faces.targets[IDENTITY].values[measured].tolist()
    return Calibrated(calibration, measured, draw_pairs(people, VERIFIED_PAIRS, config.seed, "data.table"))


def _measure(exportable: Exportable, split: SplitImages, drawn: Calibrated, folder: Path) -> QuantizationLoss:
    from faceml.export import open_onnx

    models = (open_onnx(folder / ONNX_FILE), open_onnx(folder / INT8_FILE))
    with ProgressReport("measure", len(drawn.measured)) as progress:
        paired = run_alternately(split, drawn.measured, models, progress.advance)
    if drawn.pairs is None:
        return measure_task_loss(split, drawn.measured, exportable.tasks, paired)
    people = split.faces.targets[IDENTITY].values[drawn.measured].numpy()
    return measure_verification_loss(people, drawn.pairs, paired)


def _versions(formats: Sequence[str]) -> dict[str, str]:
    if "onnx" not in formats:
        return {"torch": torch.__version__}
    from faceml.export import onnx_versions

    return {"torch": torch.__version__, **onnx_versions()}


def show(result: ExportResult, console: Console) -> None:
    """Print the files with their checks, and the accuracy lost by quantisation."""
    console.print(files_table(result))
    console.print(checks_line(result))
    if result.quantization:
        console.print(quantization_table(result.quantization, result.bytes_of))


def run_and_show(config: ExportConfig, console: Console) -> None:
    """Export the model, and print the results."""
    show(run(config), console)
