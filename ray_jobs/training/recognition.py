"""`faceml transfer`: training of face recognition with Ray Train on one or several workers."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from faceml.config import ConfigError, RecognitionConfig, dump_config
from faceml.metrics import ScoredPairs, verification_accuracy
from faceml.models import FaceResNet, refuse_other_normalisation, refuse_unusable_network
from faceml.page import Report
from faceml.quality import audit_leakage
from faceml.reporting import (
    WATCHED,
    TrainingDiagnosis,
    diagnose_recognition,
    recognition_chapter,
    recognition_table,
    training_summary,
    verification_line,
)
from faceml.runs import (
    BEST_MODEL_FILE,
    PAIRS_FILE,
    PEOPLE_FILE,
    RunFolder,
    digest_data,
    read_metrics,
    read_summary,
    write_digests,
)
from faceml.search import VERIFICATION
from faceml.storage import write_text
from faceml.training import (
    People,
    build_people,
    read_state,
    recognition_steps,
    score_split,
    verification_intervals,
    write_pairs,
)
from ray_jobs.cluster import RayCluster, require_reach, require_resources
from ray_jobs.training.group import GroupJob, resources_of, train_group
from ray_jobs.training.resuming import MAY_CHANGE, MAY_GROW


def run(config: RecognitionConfig) -> dict[str, Any]:
    """Train, and return the content of `summary.json`.

    An unfinished run in the same folder is continued from its last checkpoint, and so is a finished one if
    the configuration has more epochs.

    Raises:
        ConfigError: Data, starting weights, folder or resources cannot be used; raised before any worker
            starts.
        StoppedError: A gradient is not finite, an image has changed since extraction, a checkpoint cannot be
            written, or workers have died too often.
    """
    started_s = time.monotonic()
    with RunFolder(config.run.folder) as run_folder:
        run_folder.check(dump_config(config), MAY_CHANGE, MAY_GROW)
        digests = digest_data(config.data, run_folder)
        people = build_people(config.data)
        for split in (people.train, people.val):
            split.log_left_out()
        steps = recognition_steps(config, people.train)
        refuse_unusable_network(config.model, config.data.image_size, config.optimizer.layer_decay)
        refuse_other_normalisation(config.model, people.train.preprocessing)
        num_people = len(people.train.people)
        with RayCluster():
            require_reach(config, config.scaling.wait_for_nodes_s > 0)
            require_resources(resources_of(config.scaling), "scaling", config.scaling.wait_for_nodes_s)
            leaks = audit_leakage(config.data, [config.model.weights])
            run_folder.begin(dump_config(config), MAY_CHANGE, MAY_GROW)
            write_digests(digests, run_folder)
            refuse_other_people(people.train.people, run_folder)
            diagnosis = TrainingDiagnosis(partial(diagnose_recognition, config=config, num_people=num_people))
            total_steps = steps * config.training.epochs
            job = GroupJob(config, run_folder, total_steps, VERIFICATION, WATCHED, diagnosis)
            records = train_group(job)
        pairs = verify(config, people, run_folder.path / BEST_MODEL_FILE)
        write_pairs(pairs, people.pairs, people.val.names, run_folder.path / PAIRS_FILE)
        intervals = verification_intervals(pairs)
        summary = training_summary(records, time.monotonic() - started_s, VERIFICATION) | {
            "accuracy": verification_accuracy(pairs),
            "accuracy_interval": intervals["accuracy"],
            "intervals": {f"verification/{name}": limits for name, limits in intervals.items()},
            "pairs": len(pairs.scores),
            "people": pairs.num_people,
            "leakage": leaks,
            "without_landmarks": people.without_landmarks,
        }
        run_folder.write_summary(summary)

        def build_report() -> Report:
            chapter = recognition_chapter(config, records, pairs, summary, num_people)
            return Report("Face recognition", verification_line(summary), [chapter])

        run_folder.finish(build_report)
    return summary


def refuse_other_people(people: list[str], run_folder: RunFolder) -> None:
    """Save the names of the people, or refuse to continue a run with other people.

    Each row of the identity head is the centre of one person.

    Raises:
        ConfigError: The run in the folder began with other people.
    """
    file = run_folder.path / PEOPLE_FILE
    began_with = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else people
    if began_with != people:
        raise ConfigError(
            f"data.train.table: has {len(people)} people, but the run in {run_folder.folder.uri} began with "
            f"{len(began_with)}, of whom {len(set(began_with) & set(people))} are in the table. Continue it "
            "with the same people, or choose another run.folder."
        )
    write_text(file, json.dumps(people) + "\n")


def verify(config: RecognitionConfig, people: People, best_model: Path) -> ScoredPairs:
    """Score the validation pairs with the best model of a training, a local file."""
    device = torch.device("cuda" if config.scaling.use_gpu and torch.cuda.is_available() else "cpu")
    model = FaceResNet(config.model, config.data.image_size)
    model.load_state_dict(read_state(best_model)["model_state_dict"])
    batch_size = config.batch_size_per_worker
    return score_split(model.to(device), people.val, people.pairs, batch_size, device)[0]


def show(config: RecognitionConfig, console: Console) -> None:
    """Print a table of the epochs, and the verification accuracy."""
    folder = RunFolder(config.run.folder).path
    console.print(recognition_table(read_metrics(folder)))
    console.print(verification_line(read_summary(folder)), soft_wrap=True)


def run_and_show(config: RecognitionConfig, console: Console) -> None:
    """Train, and print the results."""
    run(config)
    show(config, console)
