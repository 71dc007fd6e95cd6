"""`faceml evaluate`: evaluation of a trained model on a split, without Ray."""

import logging
import time

import numpy as np
import torch
from rich.console import Console

from faceml.config import ConfigError, EvaluateConfig, dump_config
from faceml.datasets import FaceLoader, FaceSample
from faceml.models import FaceOutputs
from faceml.page import ProgressReport, Report
from faceml.prediction import model_file
from faceml.reporting import (
    EmbeddingMap,
    EvaluationFindings,
    compare_models,
    evaluate_tasks,
    evaluation_chapter,
    evaluation_summary,
    mistake_tiles,
    model_card,
    provenance,
    read_predictions,
)
from faceml.runs import MODEL_CARD_FILE, PREDICTIONS_FILE, RunFolder
from faceml.storage import write_text
from faceml.training import (
    EmbeddingSample,
    Evaluation,
    Predictions,
    load_trained_model,
    open_split,
)

logger = logging.getLogger(__name__)


def run(config: EvaluateConfig) -> EvaluationFindings:
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
    faces = open_split(config.data, len(trained.framed_by), trained.preprocessing, trained.tasks)
    if not len(faces):
        raise ConfigError(f"data.table: {config.data.table} has no image that could be decoded.")
    faces.log_left_out()
    batches = FaceLoader(faces, config.batch_size, config.loader_processes, pin_memory=config.use_gpu)
    evaluation = Evaluation(trained.preprocessing, trained.tasks, device, flip_test=config.flip_test)
    predictions = Predictions(faces, trained.tasks)
    others = [(place, read_predictions(place)) for place in config.compare_with]
    with_classes = next((task for task in trained.tasks.values() if task.group_names), None)
    labels = (
        with_classes.groups(faces.targets[with_classes.name]).numpy()
        if with_classes
        else np.full(len(faces), -1)
    )
    sample = EmbeddingSample(labels, config.report.embeddings, config.seed)
    with ProgressReport("evaluate", len(faces)) as progress:

        def on_batch(batch: FaceSample, outputs: FaceOutputs) -> None:
            predictions.add(batch, outputs)
            sample.add(batch, outputs)
            progress.advance(len(batch.position))

        result = evaluation(trained.model.to(device), batches, on_batch)
    table = predictions.table
    evaluations = evaluate_tasks(result, trained.tasks, table, faces.targets)
    findings = EvaluationFindings(
        result=result,
        tasks=trained.tasks,
        predictions=table,
        evaluations=evaluations,
        mistakes={
            name: mistake_tiles(part, faces, config.report.mistakes) for name, part in evaluations.items()
        },
        embeddings=EmbeddingMap(sample.embeddings, with_classes) if with_classes else None,
        compared=compare_models(config.run.folder, table, others, trained.tasks, faces.targets),
    )
    with run_folder:
        run_folder.write_config(dump_config(config))
        predictions.write(run_folder.path / PREDICTIONS_FILE)
        summary = evaluation_summary(findings, faces.left_out)
        run_folder.write_summary(summary | {"wall_s": round(time.monotonic() - started_s, 2)})
        card = model_card(
            findings,
            faces.yaw_deg,
            provenance(config, trained.config),
            sum(count.number for count in faces.left_out.values()),
        )
        write_text(run_folder.path / MODEL_CARD_FILE, card)
        run_folder.finish(
            lambda: Report("Evaluation", findings.answer, [evaluation_chapter(config, findings)])
        )
    return findings


def show(findings: EvaluationFindings, console: Console) -> None:
    """Print the metrics of each task."""
    for name, task in findings.tasks.items():
        chapter, found = task.chapter(), findings.evaluations[name]
        console.print(found.table(chapter.title))
        console.print(chapter.result_line(found.metrics))


def run_and_show(config: EvaluateConfig, console: Console) -> None:
    """Evaluate, and print the results."""
    show(run(config), console)
