"""`faceml train`: multitask training with Ray Train on one or several workers."""

import logging
import time
from functools import partial
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from faceml.config import TrainConfig, dump_config
from faceml.models import refuse_unusable_network
from faceml.page import Report, plain_console
from faceml.quality import audit_leakage
from faceml.reporting import (
    TrainingDiagnosis,
    best_record,
    build_training_plan,
    diagnose_multitask,
    epochs_table,
    multitask_columns,
    training_banner,
    training_chapter,
    training_summary,
    watched_metrics,
)
from faceml.runs import RunFolder, build_tracking, digest_data, read_metrics, write_digests
from faceml.tasks import VALIDATION, Tasks, select_score, split_metric
from faceml.training import Faces, build_cached_faces
from ray_jobs.cluster import Bundle, RayCluster, require_reach, require_resources, writes_json
from ray_jobs.training.group import GroupJob, resources_of, train_group
from ray_jobs.training.resuming import MAY_CHANGE, MAY_GROW
from ray_jobs.training.stream import face_stream
from ray_jobs.training.worker import STREAM

logger = logging.getLogger(__name__)


def run(config: TrainConfig) -> dict[str, Any]:
    """Train, and return the content of `summary.json`.

    An unfinished run in the same folder is continued from its last checkpoint, and so is a finished one if
    the configuration has more epochs.

    Raises:
        ConfigError: Data, folder, resources or MLflow cannot be used; raised before any worker starts.
        StoppedError: A gradient is not finite, an image has changed since extraction, a checkpoint cannot be
            written, or workers have died too often.
    """
    started_s = time.monotonic()
    with RunFolder(config.run.folder) as run_folder:
        run_folder.check(dump_config(config), MAY_CHANGE, MAY_GROW)
        digests = digest_data(config.data, run_folder)
        faces = build_cached_faces(config)
        score = select_score(config.selection, config.all_tasks)
        plan = build_training_plan(config, faces)
        for split in (faces.train, faces.val):
            split.log_left_out()
        faces.log_untrained_classes()
        refuse_unusable_network(config.model, config.data.image_size, config.optimizer.layer_decay)
        tracking = build_tracking(config)
        _show_on_stderr(training_banner(plan))
        with RayCluster():
            require_reach(config, config.scaling.wait_for_nodes_s > 0)
            require_resources(needed_resources(config), "scaling", config.scaling.wait_for_nodes_s)
            audit_leakage(config.data, [config.model.weights])
            run_folder.begin(dump_config(config), MAY_CHANGE, MAY_GROW)
            write_digests(digests, run_folder)
            with tracking:
                job = GroupJob(
                    config,
                    run_folder,
                    plan.total_steps,
                    score,
                    watched_metrics(faces.tasks),
                    TrainingDiagnosis(partial(diagnose_multitask, weighting=config.weighting)),
                    tracking,
                    _streams(config, faces),
                )
                records = train_group(job)
                tracking.log_epochs(records)
                summary = training_summary(records, time.monotonic() - started_s, score)
                run_folder.write_summary(summary)
                run_folder.finish(partial(_report, summary, faces.tasks, run_folder))
                tracking.log_summary(summary)
    return summary


def _streams(config: TrainConfig, faces: Faces) -> dict[str, Any]:
    if config.data.ingest != "stream":
        return {}
    return {STREAM: face_stream(config, is_whole_table=faces.train.is_whole_table)}


def _report(summary: dict[str, Any], tasks: Tasks, run_folder: RunFolder) -> Report:
    task, _ = split_metric(summary["selection"]["metric"].removeprefix(VALIDATION))
    chapter = tasks[task].chapter()
    answer = chapter.answer(chapter.metrics(summary["best"]), "The best model", "the validation faces")
    return Report("Multitask training", answer, [training_chapter(run_folder.path)])


def _show_on_stderr(shown: RenderableType) -> None:
    """Print to the terminal, or to the log of a job in a width that does not wrap lines."""
    if writes_json():
        page = plain_console(file=StringIO(), width=120)
        with page.capture() as captured:
            page.print(shown)
        logger.info("%s", captured.get())
        return
    console = plain_console(stderr=True)
    (console if console.is_terminal else plain_console(stderr=True, width=120)).print(shown)


def show(config: TrainConfig, console: Console) -> None:
    """Print a table of the epochs, and the metrics of each task in the best epoch."""
    records, tasks = read_metrics(RunFolder(config.run.folder).path), build_cached_faces(config).tasks
    score = select_score(config.selection, config.all_tasks)
    console.print(epochs_table(records, multitask_columns(tasks), score))
    best = best_record(records, score)
    for task in tasks.values():
        chapter = task.chapter()
        metrics = chapter.metrics(best)
        console.print(chapter.result_table(metrics, f"{chapter.title}, epoch {best['epoch']}"))
        console.print(chapter.result_line(metrics))


def needed_resources(config: TrainConfig) -> list[Bundle]:
    """Return the resources of a training: those of each worker, and those of streaming."""
    return resources_of(config.scaling, for_reading=config.data.ingest == "stream")


def run_and_show(config: TrainConfig, console: Console) -> None:
    """Train, and print the results."""
    run(config)
    show(config, console)
