"""`faceml transfer`: Ray Train runs the training of recognition on one or many workers."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console
from torch.utils.data import DataLoader

from faceml.atomic import AtomicPath
from faceml.config.recognition import RecognitionConfig
from faceml.datasets.face_dataset import FaceSample
from faceml.metrics.verification import ScoredPairs
from faceml.models.backbone import build_backbone_from
from faceml.models.recognition import FaceResNet
from faceml.reporting.doctor import Doctor
from faceml.reporting.html import Report, write_report
from faceml.reporting.recognition_doctor import diagnose_recognition
from faceml.reporting.recognition_report import (
    SCORE,
    recognition_answer,
    recognition_chapter,
    recognition_table,
)
from faceml.reporting.training import training_summary
from faceml.run_files import BEST_MODEL_FILE, REPORT_FILE, read_metrics, read_summary, write_summary
from faceml.training.checkpoint import read_state
from faceml.training.recognition import People, build_people, recognition_steps
from faceml.training.verification import Verification, accuracy_interval, score_pairs
from faceml.transfer.backbone_weights import refuse_other_normalisation
from ray_jobs.cluster import RayCluster, require_resources
from ray_jobs.run_folders import MAY_CHANGE, enter_run_folder
from ray_jobs.train_group import GroupJob, resources_of, train_group
from ray_jobs.transfer_worker import recognition_worker

PAIRS_FILE = "pairs.parquet"


def run(config: RecognitionConfig) -> dict[str, Any]:
    """Train, and return the content of `summary.json`.

    An unfinished run in the same folder is continued from its last checkpoint.

    Raises:
        ConfigError: Data, starting weights, folder or resources do not fit; found before any worker starts.
        StoppedError: A gradient is not finite, an image is no longer what was extracted, a checkpoint could
            not be written, or workers died too often.
    """
    started_s = time.monotonic()
    people = build_people(config.data)
    for split in (people.train, people.val):
        split.log_left_out()
    steps = recognition_steps(config, people.train)
    build_backbone_from(config.model)
    refuse_other_normalisation(config.model, people.train.preprocessing)
    num_people = len(people.train.people)
    with RayCluster():
        require_resources(resources_of(config.scaling), "scaling")
        enter_run_folder(config.run.folder, config, MAY_CHANGE)
        doctor = Doctor(partial(diagnose_recognition, config=config, num_people=num_people))
        total_steps = steps * config.training.epochs
        records = train_group(GroupJob(config, recognition_worker, total_steps, SCORE, doctor))
    pairs = verify(config, people, config.run.folder / BEST_MODEL_FILE)
    write_pairs(pairs, people, config.run.folder / PAIRS_FILE)
    summary = training_summary(records, time.monotonic() - started_s, SCORE) | {
        "accuracy": training_summary(records, 0.0, SCORE)["best"][SCORE],
        "accuracy_interval": accuracy_interval(pairs),
        "pairs": len(pairs.scores),
        "people": len(people.val.people),
    }
    write_summary(summary, config.run.folder)
    chapter = recognition_chapter(config, records, pairs, summary, num_people)
    report = Report("Face recognition", recognition_answer(summary), [chapter])
    write_report(report, config.run.folder / REPORT_FILE)
    return summary


def verify(config: RecognitionConfig, people: People, model_file: Path) -> ScoredPairs:
    """Score the pairs with a model of this training."""
    device = torch.device("cuda" if config.scaling.use_gpu and torch.cuda.is_available() else "cpu")
    model = FaceResNet(config.model)
    model.load_state_dict(read_state(model_file)["model_state_dict"])
    labels, preprocessing = people.val.labels.numpy(), people.val.preprocessing
    verification = Verification(people.pairs, labels, preprocessing, device)
    batches: DataLoader[FaceSample] = DataLoader(people.val, config.batch_size_per_worker)
    return score_pairs(verification.embed(model.to(device), batches), people.pairs, labels)


def write_pairs(pairs: ScoredPairs, people: People, file: Path) -> None:
    """Write one row for each pair: `image_id`, `other_image_id`, `is_same`, `fold`, `score`."""
    names = [[people.val.image_ids[position] for position in side] for side in people.pairs.images.T.tolist()]
    table = pa.table(
        {
            "image_id": names[0],
            "other_image_id": names[1],
            "is_same": pairs.same,
            "fold": pairs.folds,
            "score": pairs.scores,
        }
    )
    with AtomicPath(file) as partial_file:
        pq.write_table(table, partial_file, compression="zstd")


def show(config: RecognitionConfig, console: Console) -> None:
    """Print a table of the epochs, and the answer."""
    console.print(recognition_table(read_metrics(config.run.folder)))
    console.print(recognition_answer(read_summary(config.run.folder)), soft_wrap=True)


if __name__ == "__main__":
    from ray_jobs.cli import main

    main("transfer")
