"""The work of `faceml export`, from a checkpoint to checked files and a report."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from faceml.config import ConfigError, ExportConfig, QuantizeConfig, dump_config
from faceml.datasets import VerificationPairs, draw_pairs
from faceml.export import (
    INT8_FILE,
    MODEL_FILES,
    ONNX_FILE,
    CheckedImages,
    Exportable,
    ExportResult,
    QuantizationLoss,
    SplitImages,
    answer_in_turns,
    differences_from_training,
    eager,
    expression_loss,
    load_exportable,
    open_split,
    recognition_loss,
    refuse_missing_packages,
    write_int8_model,
    write_models,
)
from faceml.page import ProgressReport, Report, write_report
from faceml.reporting import export_chapter, export_summary
from faceml.runs import BEST_MODEL_FILE, REPORT_FILE, SUMMARY_FILE, WorkingCopy, write_config, write_summary
from faceml.storage import translate_outage

logger = logging.getLogger(__name__)

VERIFIED_PAIRS = 6000
"""As many as LFW has."""


class Calibrated(NamedTuple):
    """What an int8 copy is made and measured on.

    Attributes:
        calibration: Places in a split.
        measured: All others of the split.
        pairs: Of the measured images, to verify; None if expressions are compared.
    """

    calibration: list[int]
    measured: list[int]
    pairs: VerificationPairs | None


def export(config: ExportConfig) -> ExportResult:
    """Export, check, quantise and measure, and write the results.

    Raises:
        ConfigError: The model, the data or a package cannot be used.
        StoppedError: An exported model answers otherwise than PyTorch.
    """
    started_s = time.monotonic()
    refuse_missing_packages(config.formats)
    run_folder = WorkingCopy(config.run.folder)
    run_folder.fetch()
    folder = run_folder.path
    if (folder / BEST_MODEL_FILE).is_file():
        raise ConfigError(
            f"run.folder: {config.run.folder} is that of a training, whose config.yaml would be replaced. "
            "Name another one."
        )
    exportable = load_exportable(config.model)
    preprocessing = exportable.preprocessing
    split = open_split(config.data, preprocessing, exportable.landmark_set) if config.data else None
    drawn = _draw_calibration(config.quantize, exportable, split) if config.quantize and split else None
    chosen = _draw(len(split), config.check_images, config.seed) if split else []
    checked = CheckedImages(preprocessing, config.seed, split, chosen)
    _delete_earlier(run_folder)
    logger.info("Exporting %s as %s", config.model, " and ".join(config.formats))
    differences = write_models(exportable, config.formats, config.opset, checked, folder)
    logger.info("Each answers as PyTorch does, on %d batches of images", checked.batches)
    loss = None
    if config.quantize and split and drawn:
        images = map(split.decoded, drawn.calibration)
        write_int8_model(folder, images, config.quantize.weight_bits)
        loss = _measure(exportable, split, drawn, folder)
    result = ExportResult(
        outputs=tuple(exportable.graph.outputs),
        opset=config.opset if ONNX_FILE in differences else None,
        bytes_of={name: (folder / name).stat().st_size for name in MODEL_FILES if (folder / name).is_file()},
        checked_batches=checked.batches - len(chosen),
        checked_images=len(chosen),
        differences=differences,
        from_training=differences_from_training(
            exportable.graph, preprocessing, eager(exportable.graph), checked
        ),
        calibration_images=len(drawn.calibration) if drawn else 0,
        quantization=loss,
        versions=_versions(config.formats),
    )
    write_config(dump_config(config), folder)
    write_summary(result.summary(time.monotonic() - started_s), folder)
    report = Report("Export", export_summary(result), [export_chapter(result, config)])
    write_report(report, folder / REPORT_FILE)
    run_folder.push()
    return result


def _delete_earlier(run_folder: WorkingCopy) -> None:
    """Delete what an earlier export has left: it would be taken for this one's, should this be refused."""
    for name in (*MODEL_FILES, SUMMARY_FILE, REPORT_FILE):
        with translate_outage(run_folder.folder.uri):
            run_folder.folder.delete(name)
        (run_folder.path / name).unlink(missing_ok=True)


def _draw(size: int, count: int, seed: int) -> list[int]:
    """Draw places in a split, in their order; all of them if there are no more."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = sorted(rng.permutation(size)[:count].tolist())
    return drawn


def _draw_calibration(config: QuantizeConfig, exportable: Exportable, split: SplitImages) -> Calibrated:
    """Divide a split.

    Raises:
        ConfigError: Not enough is left to measure on.
    """
    if config.calibration_images >= len(split):
        raise ConfigError(
            f"quantize.calibration_images = {config.calibration_images}: data.table has {len(split)} images, "
            "and those that are left are measured on. Choose a smaller number."
        )
    calibration = _draw(len(split), config.calibration_images, config.seed)
    measured = sorted(set(range(len(split))) - set(calibration))
    if exportable.names_expressions:
        return Calibrated(calibration, measured, None)
    people = split.faces.labels[measured].tolist()
    return Calibrated(calibration, measured, draw_pairs(people, VERIFIED_PAIRS, config.seed, "data.table"))


def _measure(exportable: Exportable, split: SplitImages, drawn: Calibrated, folder: Path) -> QuantizationLoss:
    from faceml.export import open_onnx

    models = (open_onnx(folder / ONNX_FILE), open_onnx(folder / INT8_FILE))
    with ProgressReport("measure", len(drawn.measured)) as progress:
        turns = answer_in_turns(split, drawn.measured, models, progress.advance)
    if drawn.pairs is None:
        return expression_loss(split, drawn.measured, exportable.landmark_set, turns)
    return recognition_loss(split.faces.labels[drawn.measured].numpy(), drawn.pairs, turns)


def _versions(formats: Sequence[str]) -> dict[str, str]:
    if "onnx" not in formats:
        return {"torch": torch.__version__}
    from faceml.export import versions

    return {"torch": torch.__version__, **versions()}
