"""`faceml evaluate`: evaluation of a trained model on a split, without Ray."""

import logging
import time
from typing import Any

import torch
from rich.console import Console

from faceml.config import ConfigError, EvaluateConfig, dump_config
from faceml.datasets import EXPRESSIONS, FaceDataset, FaceLoader, FaceSample, read_yaw
from faceml.metrics import measure_calibration
from faceml.models import FaceOutputs
from faceml.page import ProgressReport, Report, percent
from faceml.prediction import model_file
from faceml.reporting import (
    EvaluationFindings,
    classes_table,
    compare_models,
    evaluation_chapter,
    misclassified_tiles,
    model_card,
    predicted_probabilities,
    provenance,
    read_predictions,
    scores_line,
)
from faceml.runs import MODEL_CARD_FILE, PREDICTIONS_FILE, RunFolder
from faceml.storage import write_text
from faceml.training import EmbeddingSample, Evaluation, EvaluationResult, Predictions, load_trained_model

logger = logging.getLogger(__name__)


def run(config: EvaluateConfig) -> EvaluationResult:
    """Evaluate the model on the split, and write the results.

    Raises:
        ConfigError: The model or the split cannot be used.
    """
    started_s = time.monotonic()
    if config.use_gpu and not torch.cuda.is_available():
        raise ConfigError("use_gpu: true needs a GPU, and PyTorch sees none. Set it to false.")
    run_folder = RunFolder(config.run.folder)
    run_folder.check_kind(dump_config(config))
    config = config.model_copy(update={"model": model_file(config.model)})
    device = torch.device("cuda" if config.use_gpu else "cpu")
    trained = load_trained_model(config.model)
    faces = FaceDataset(
        config.data.table,
        config.data.images,
        len(trained.landmark_set),
        trained.preprocessing,
        follow_links=config.data.follow_links,
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
    table = predictions.table
    findings = EvaluationFindings(
        predictions=table,
        calibration=measure_calibration(predicted_probabilities(table), table["label"].to_numpy()),
        misclassified=misclassified_tiles(table, faces, config.report.mistakes),
        embeddings=sample.embeddings if config.report.embeddings else None,
        compared=compare_models(table, others, len(EXPRESSIONS)),
    )
    with run_folder:
        run_folder.write_config(dump_config(config))
        predictions.write(run_folder.path / PREDICTIONS_FILE)
        summary = evaluation_summary(result, faces, findings)
        run_folder.write_summary(summary | {"wall_s": round(time.monotonic() - started_s, 2)})
        yaw_deg = read_yaw(config.data.table)
        num_left_out = sum(map(len, faces.left_out.values()))
        origin = provenance(config, trained.config)
        card = model_card(result, findings, yaw_deg, origin, len(trained.landmark_set), num_left_out)
        write_text(run_folder.path / MODEL_CARD_FILE, card)
        answer = f"The model names the expression of {percent(result.confusion.accuracy)} of the images."
        run_folder.finish(
            lambda: Report("Evaluation", answer, [evaluation_chapter(result, config, findings)])
        )
    return result


def evaluation_summary(
    result: EvaluationResult, faces: FaceDataset, findings: EvaluationFindings
) -> dict[str, Any]:
    """Return the content of `summary.json`, except `wall_s`."""
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
    """Print the scores of each expression, and those of the whole split."""
    console.print(classes_table(result.confusion, EXPRESSIONS, "Each expression"))
    console.print(scores_line(result.confusion))
    nme = result.metrics["nme_interocular"]
    console.print(f"Landmarks: {percent(nme)} of the distance between the eyes from MediaPipe's, on average.")


def run_and_show(config: EvaluateConfig, console: Console) -> None:
    """Evaluate, and print the results."""
    show(run(config), console)
