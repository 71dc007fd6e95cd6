"""`faceml evaluate`: a trained model on any split. Needs no Ray."""

import logging
import time
from typing import Any

import torch
from rich.console import Console

from faceml.config import ConfigError, EvaluateConfig, dump_config
from faceml.datasets import EXPRESSIONS, FaceDataset, FaceLoader, FaceSample, read_yaw
from faceml.metrics import measure_calibration
from faceml.models import FaceOutputs
from faceml.page import ProgressReport, Report, percent, write_report
from faceml.reporting import (
    EvaluationFindings,
    classes_table,
    compare_models,
    evaluation_chapter,
    mistake_tiles,
    model_card,
    probabilities_of,
    provenance,
    read_predictions,
    scores_line,
)
from faceml.runs import (
    MODEL_CARD_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    WorkingCopy,
    write_config,
    write_summary,
)
from faceml.storage import write_text
from faceml.training import EmbeddingSample, Evaluation, EvaluationResult, Predictions, load_trained_model

logger = logging.getLogger(__name__)


def run(config: EvaluateConfig) -> EvaluationResult:
    """Evaluate, and write the results.

    Raises:
        ConfigError: The model or the split cannot be used.
    """
    started_s = time.monotonic()
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    device = torch.device("cuda" if config.use_gpu else "cpu")
    trained = load_trained_model(config.model)
    faces = FaceDataset(
        config.data.table, config.data.images, len(trained.landmark_set), trained.preprocessing
    )
    if not len(faces):
        raise ConfigError(f"data.table: {config.data.table} has no image that could be decoded.")
    faces.log_left_out()
    batches = FaceLoader(faces, config.batch_size, config.loader_processes, pin_memory=config.use_gpu)
    evaluation = Evaluation(trained.preprocessing, trained.landmark_set, len(EXPRESSIONS), device)
    predictions = Predictions(faces.image_ids)
    others = [(place, read_predictions(place)) for place in config.compare_with]
    sample = EmbeddingSample(len(faces), config.report.embeddings, config.seed)
    with ProgressReport("evaluate", len(faces)) as progress:

        def on_batch(batch: FaceSample, outputs: FaceOutputs) -> None:
            predictions.add(batch, outputs)
            sample.add(batch, outputs)
            progress.advance(len(batch.label))

        result = evaluation(trained.model.to(device), batches, on_batch)
    run_folder = WorkingCopy(config.run.folder)
    run_folder.fetch()
    folder = run_folder.path
    write_config(dump_config(config), folder)
    predictions.write(folder / PREDICTIONS_FILE)
    said = predictions.table
    findings = EvaluationFindings(
        predictions=said,
        calibration=measure_calibration(probabilities_of(said), said["label"].to_numpy()),
        mistakes=mistake_tiles(said, faces, config.report.mistakes),
        embeddings=sample.embeddings if config.report.embeddings else None,
        compared=compare_models(said, others, len(EXPRESSIONS)),
    )
    summary = evaluation_summary(result, faces, findings)
    write_summary(summary | {"wall_s": round(time.monotonic() - started_s, 2)}, folder)
    yaw_deg = read_yaw(config.data.table)
    left_out = sum(map(len, faces.left_out.values()))
    origin = provenance(config, trained)
    card = model_card(result, findings, yaw_deg, origin, len(trained.landmark_set), left_out)
    write_text(folder / MODEL_CARD_FILE, card)
    answer = f"The model names the expression of {percent(result.confusion.accuracy)} of the images."
    chapter = evaluation_chapter(result, config, findings)
    write_report(Report("Evaluation", answer, [chapter]), folder / REPORT_FILE)
    run_folder.push()
    return result


def evaluation_summary(
    result: EvaluationResult, faces: FaceDataset, findings: EvaluationFindings
) -> dict[str, Any]:
    """Return what `summary.json` holds, but for the time it took."""
    confusion, calibration = result.confusion, findings.calibration
    scores = zip(EXPRESSIONS, confusion.class_scores(), strict=True)
    return {
        "images": confusion.images,
        "left_out": {status: len(images) for status, images in faces.left_out.items()},
        **result.metrics,
        "accuracy_interval": confusion.accuracy_interval(),
        "macro_f1_interval": confusion.macro_f1_interval(),
        "recall": {name: score.recall if score.images else None for name, score in scores},
        "confusion_matrix": confusion.counts.tolist(),
        "calibration": {
            "ece": calibration.ece,
            "chance_ece": calibration.chance_ece,
            "overconfidence": calibration.overconfidence,
        },
        "compared": {
            other.name: other.difference._asdict() | {"accuracy": other.confusion.accuracy}
            for other in findings.compared
        },
    }


def show(result: EvaluationResult, console: Console) -> None:
    """Print a table of the expressions, and the figures of the whole."""
    console.print(classes_table(result.confusion, EXPRESSIONS, "Each expression"))
    console.print(scores_line(result.confusion))
    nme = result.metrics["nme_interocular"]
    console.print(f"Landmarks: {percent(nme)} of the distance between the eyes from MediaPipe's, on average.")
