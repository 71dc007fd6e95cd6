"""Job in a separate process, on its own Ray cluster with any number of logical CPUs."""

import os
import subprocess
import sys
from pathlib import Path

from faceml.config.base import Config
from faceml.config.loading import dump_config
from tests.job import NARROW_BACKBONE, REPOSITORY, python_path

PROGRAM = """
import importlib
import sys
from pathlib import Path
import ray
from faceml.config.loading import load_config
from ray_jobs.cluster.local_ray import start_local_cluster
job, module, model, num_cpus, file = sys.argv[1:]
config = load_config(getattr(importlib.import_module(module), model), Path(file))
start_local_cluster(num_cpus=int(num_cpus), log_to_driver=False)
importlib.import_module(job).run(config)
ray.shutdown()
"""


def run_on_own_cluster(job: str, config: Config, num_cpus: int, folder: Path, timeout_s: float) -> None:
    """Run a job to its end.

    Args:
        job: Module whose `run` is called, such as `ray_jobs.search.tuning`.
        config: Configuration of the job.
        num_cpus: Number of logical CPUs of the cluster.
        folder: Folder to write the configuration to.
        timeout_s: Time after which the job is killed, s.
    """
    file = folder / f"{job}.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    model = type(config)
    words = [sys.executable, "-c", PROGRAM, job, model.__module__, model.__name__, str(num_cpus), str(file)]
    environment = os.environ | {
        "PYTHONPATH": python_path(NARROW_BACKBONE),
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    }
    subprocess.run(words, cwd=REPOSITORY, env=environment, check=True, timeout=timeout_s)
