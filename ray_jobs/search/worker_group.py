"""Trials with several workers: a worker group of Ray Train inside a trial of Ray Tune.

Ray Train's controller runs in the trial's process. The worker group reserves its CPUs separately from Ray
Tune, and releases them when it ends normally. If the trial's process is killed before, they stay reserved,
and the next trials would wait for them forever. Therefore a trial that the scheduler stops signals its
workers to end, and waits until they have exited.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import ray.train
import ray.train.torch
import ray.tune
import torch
from ray.exceptions import RayActorError
from ray.tune.result import DONE, RESULT_DUPLICATE
from ray.util import get_current_placement_group, remove_placement_group
from ray.util.queue import Empty, Queue
from torch import distributed

from faceml.config import StudyConfig, TuneConfig, parse_config
from faceml.runs import record_failure
from faceml.storage import StorageFolder, place_below, translate_outage
from ray_jobs.cluster import build_torch_trainer, placement_group, worker_bundle
from ray_jobs.search.trial import RAY_FOLDER, TrialJob, train_trial, trial_folder
from ray_jobs.training import translate_worker_outage

POLL_INTERVAL_S = 0.5
# Ray Tune kills a trial that has not ended after ten minutes.
STOP_TIMEOUT_S = 540.0


class GroupTrial(ray.tune.Trainable):
    """Train one trial on a worker group, which waits for the scheduler's decision after each epoch."""

    def setup(self, config: dict[str, Any], plain: dict[str, Any], cpus: int) -> None:  # type: ignore[override]
        """Start the workers.

        Args:
            config: Name and settings of the trial.
            plain: Configuration of the search, as plain values.
            cpus: Number of CPUs of each worker.
        """
        search = parse_config(TuneConfig, plain)
        self._folder = trial_folder(search, config["trial"])
        self._results, self._decisions = (Queue(actor_options={"num_cpus": 0}) for _ in range(2))
        self._has_reported = False
        with record_failure(self._folder):
            job = TrialJob(plain, config["trial"], config["settings"], cpus)
            trainer = _torch_trainer(job, search, self._results, self._decisions)
            self._fitting: Future[Any] = ThreadPoolExecutor(max_workers=1).submit(trainer.fit)

    def step(self) -> dict[str, Any]:
        """Let the workers continue, and return the metrics of the epoch."""
        if self._has_reported:
            self._decisions.put(True)
        self._has_reported = True
        with record_failure(self._folder), translate_worker_outage():
            while True:
                has_ended = self._fitting.done()
                with suppress(Empty):
                    result: dict[str, Any] = self._results.get(timeout=POLL_INTERVAL_S)
                    return result
                if has_ended:
                    self._fitting.result()  # raises what the workers failed with
                    return {RESULT_DUPLICATE: True, DONE: True}

    def cleanup(self) -> None:
        """Signal the workers to end, and wait until they have released their resources."""
        self._decisions.put(False)
        wait([self._fitting], STOP_TIMEOUT_S)


class _SchedulerStop(Exception):  # noqa: N818 - it ends a training as StopIteration ends a loop
    """The scheduler stops the trial."""


def _torch_trainer(
    job: TrialJob, config: TuneConfig, results: Queue, decisions: Queue
) -> ray.train.torch.TorchTrainer:
    trial, storage = config.trial, _groups_folder(config)
    return build_torch_trainer(
        _train_as_worker,
        train_loop_config={"job": job, "results": results, "decisions": decisions},
        scaling_config=ray.train.ScalingConfig(
            num_workers=trial.workers,
            use_gpu=trial.gpus > 0,
            resources_per_worker=worker_bundle(job.cpus, trial.gpus),
        ),
        run_config=ray.train.RunConfig(
            storage_path=storage.path,
            storage_filesystem=storage.filesystem,
            name=job.trial,
            failure_config=ray.train.FailureConfig(max_failures=trial.restarts),
        ),
    )


def _train_as_worker(settings: dict[str, Any]) -> None:
    job: TrialJob = settings["job"]
    config = parse_config(TuneConfig, job.config)
    rank, device = ray.train.get_context().get_world_rank(), ray.train.torch.get_device()

    def report(metrics: dict[str, Any]) -> None:
        """Report an epoch; all workers follow the decision that the first of them receives."""
        may_continue = torch.ones(1, device=device)
        if rank == 0:
            settings["results"].put(metrics)
            may_continue *= float(settings["decisions"].get())
        distributed.broadcast(may_continue, src=0)
        if not may_continue:
            raise _SchedulerStop

    if rank > 0:
        with suppress(_SchedulerStop):
            train_trial(job, config, device, rank, report)
        return
    group = get_current_placement_group()
    if group is not None:
        folder = _groups_folder(config)
        with translate_outage(folder.uri):
            folder.write(_group_file(job.trial), group.id.hex().encode())
    # If the trial's own process has died, its queues are gone, and these workers are about to be killed.
    with record_failure(trial_folder(config, job.trial)), suppress(_SchedulerStop, RayActorError):
        train_trial(job, config, device, rank, report)


def release_workers(config: TuneConfig | StudyConfig, trial: str) -> None:
    """Release the resources of the workers, if any, of a trial whose own process has died."""
    folder, name = _groups_folder(config), _group_file(trial)
    with translate_outage(folder.uri):
        group = folder.read(name) if folder.has(name) else None
        if isinstance(group, bytes):
            remove_placement_group(placement_group(group.decode()))
            folder.delete(name)


def _groups_folder(config: TuneConfig | StudyConfig) -> StorageFolder:
    """Return the folder of worker groups, which all of their workers and the driver can reach."""
    return StorageFolder(place_below(config.run.folder, RAY_FOLDER, "groups"))


def _group_file(trial: str) -> str:
    return f"{trial}.group"
