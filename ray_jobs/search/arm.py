"""Training of one arm of a study in a process that Ray Tune starts."""

from typing import Any

import ray.tune
import torch

from faceml.config import StudyConfig, build_arm_config, dump_config, parse_config
from faceml.runs import BEST_MODEL_FILE, PAIRS_FILE, TrialFolder, read_metrics, record_failure
from faceml.training import build_people, build_recognition_trainer, score_split, set_up_process, write_pairs
from ray_jobs.cluster import set_up_log
from ray_jobs.search.trial import TuneObserver, resume_trial, trial_folder


def run_arm(suggested: dict[str, Any], plain: dict[str, Any], cpus: int) -> None:
    """Train one arm with one seed in this process, and score the verification pairs with its final weights.

    Final weights, not those of the best epoch: arms are compared after the same number of images.
    """
    config = parse_config(StudyConfig, plain)
    folder = trial_folder(config, suggested["trial"])
    with record_failure(folder):
        _train_arm(config, folder, suggested["settings"], cpus)


def _train_arm(config: StudyConfig, folder: TrialFolder, settings: dict[str, Any], cpus: int) -> None:
    arm = build_arm_config(config, settings["arm"], settings["seed"], folder.place, cpus)
    device = torch.device("cuda" if config.trial.gpus else "cpu")
    set_up_log(arm.logging.format, "transfer", folder.place, rank=0)
    set_up_process(device, cpus, arm.data.loader_processes)
    people = build_people(arm.data)
    trainer = build_recognition_trainer(arm, device, people=people)
    resume_trial(trainer, folder, ray.tune.report)
    with folder.open() as opened:
        opened.write_config(dump_config(arm))
        every_s = config.trial.checkpoint_every_s
        trainer.fit(arm.training.epochs, TuneObserver(folder, opened, 0, ray.tune.report, every_s))
        pairs, _ = score_split(trainer.model, people.val, people.pairs, arm.batch_size_per_worker, device)
        write_pairs(pairs, people.pairs, people.val.names, opened.path / PAIRS_FILE)
        if config.run.keep_models:
            metrics = read_metrics(opened.path)[-1]
            trainer.save_model(metrics, opened.path / BEST_MODEL_FILE, is_final=True)
