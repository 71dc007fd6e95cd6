"""One worker of a training of recognition: what runs in each process of Ray Train's group."""

from typing import Any

import ray.train
import ray.train.torch

from faceml.config import RecognitionConfig, parse_config
from faceml.training import build_recognition_trainer, set_up_process
from ray_jobs.cluster import set_up_log
from ray_jobs.training.worker import fit_in_group


def recognition_worker(settings: dict[str, Any]) -> None:
    """Train recognition as one of the workers of a group."""
    config = parse_config(RecognitionConfig, settings["config"])
    rank = ray.train.get_context().get_world_rank()
    set_up_log(config.logging.format, "transfer", config.run.folder, rank)
    device = ray.train.torch.get_device()
    set_up_process(device, config.scaling.cpus_per_worker, config.data.loader_processes)
    trainer = build_recognition_trainer(config, device, rank)
    fit_in_group(trainer, config.training.epochs, device, settings["events"], config.run.folder)
