"""`faceml transfer` with arms: Ray Tune trains every arm with every seed, and the study compares them."""

import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import ray.tune
from ray.tune.search import Searcher
from rich.console import Console

from faceml.config import (
    StudyConfig,
    build_arm_config,
    check_inputs,
    dump_config,
    refuse_unequal_arms,
    with_checked_arms,
)
from faceml.errors import StoppedError
from faceml.models import build_backbone_from, refuse_other_normalisation
from faceml.page import Report
from faceml.reporting import (
    ArmRun,
    TrialBoard,
    study_answer,
    study_chapter,
    study_summary,
    study_table,
    verdict,
)
from faceml.runs import PAIRS_FILE, RunFolder
from faceml.search import ArmStudy, compare_arms
from faceml.training import build_people, read_pairs_table, recognition_steps
from ray_jobs.cluster import RayCluster, require_reach
from ray_jobs.search.arm import run_arm
from ray_jobs.search.callbacks import quieten_tune, remove_rays_files, run_config
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.resources import Room, await_room, cluster_nodes, plan_room
from ray_jobs.search.trial import trial_folder

REMEDY = "To try failed trainings again, remove their folders below trials, and report.html if it is there."

logger = logging.getLogger(__name__)


def run(config: StudyConfig) -> tuple[ArmStudy, list[ArmRun]]:
    """Train what is not trained yet, compare the arms, and return the comparison and their trainings.

    A study that was interrupted in the same folder is continued: trainings that ended are not run again,
    others go on from their checkpoints.

    Raises:
        ConfigError: An arm, the data or the resources do not fit; found before any training starts.
        StoppedError: The study was interrupted, its folder cannot be reached, or not even two arms have a
            training that did not fail.
    """
    started_s = time.monotonic()
    config = with_checked_arms(config)
    scope = check_study(config)
    with RunFolder(config.run.folder) as run_folder:
        with RayCluster():
            wait_s = config.recognition.scaling.wait_for_nodes_s
            require_reach(config, wait_s > 0)
            await_room(config.trial, wait_s)
            room = plan_room(cluster_nodes(), config.trial, len(config.trainings))
            run_folder.begin(dump_config(config))
            _train(config, room, run_folder.path)
        runs = [_arm_run(config, name, scope.images_per_epoch) for name in config.trainings]
        study = _compare(config, runs)
        wall_s = round(time.monotonic() - started_s, 1)
        summary = study_summary(study, runs, config.targets) | {"wall_s": wall_s}
        run_folder.write_summary(summary)
        chapter = study_chapter(config, study, runs, summary, scope.num_people)
        run_folder.finish(Report("What helps face recognition", study_answer(study), [chapter]))
    return study, runs


def _compare(config: StudyConfig, runs: list[ArmRun]) -> ArmStudy:
    """Compare the arms that have a training.

    Raises:
        StoppedError: Fewer than two have one.
    """
    arms = {run.arm for run in runs if run.pairs is not None}
    if len(arms) < 2:
        failed = next(run for run in runs if run.error)
        raise StoppedError(
            f"Only {len(arms)} of {len(config.arms)} arms could be trained. {failed.arm}, seed "
            f"{failed.seed}, failed: {failed.error}. {REMEDY}"
        )
    compared = {
        arm: [run.pairs for run in runs if run.arm == arm and run.pairs is not None]
        for arm in config.arms
        if arm in arms
    }
    return compare_arms(compared)


class Scope(NamedTuple):
    """What all arms of a study have in common: images of an epoch, and people to train on."""

    images_per_epoch: int
    num_people: int


def check_study(config: StudyConfig) -> Scope:
    """Try every arm, and return what they have in common.

    Raises:
        ConfigError: An arm, its starting weights or the data do not fit.
    """
    refuse_unequal_arms(config)
    people = build_people(config.recognition.data)
    for split in (people.train, people.val):
        split.log_left_out()
    for name in config.arms:
        arm = build_arm_config(config, name, 0, config.run.folder)
        check_inputs(arm.model, f"arms.{name}.model.")
        build_backbone_from(arm.model)
        refuse_other_normalisation(arm.model, people.train.preprocessing)
        steps = recognition_steps(arm, people.train)
    # Of any arm: all have steps of one size.
    images = steps * arm.training.accumulate_batches * arm.batch_size_per_worker
    return Scope(images, len(people.train.people))


def show(study: ArmStudy, runs: list[ArmRun], config: StudyConfig, console: Console) -> None:
    """Print a row for each arm, and a verdict on every two."""
    console.print(study_table(study, runs, config.targets))
    for comparison in study.comparisons:
        console.print(verdict(comparison), soft_wrap=True)
    for run in runs:
        if run.error:
            console.print(f"{run.arm}, seed {run.seed}, failed: {run.error}", soft_wrap=True)
    if any(run.error for run in runs):
        console.print(REMEDY, soft_wrap=True)


class _Queue(Searcher):
    """Hand out the trainings that have not ended, in their order."""

    def __init__(self, config: StudyConfig, outage: StopAtOutage) -> None:
        super().__init__(metric=config.metric, mode="max")
        self._left = [
            (name, settings)
            for name, settings in config.trainings.items()
            if trial_folder(config, name).outcome is None
        ]
        self._config = config
        self._outage = outage

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune saves its searcher with the study; nobody reads it."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return name and settings of the next training, written into its folder."""
        if not self._left:
            return None
        name, settings = self._left.pop(0)
        with self._outage:
            trial_folder(self._config, name).begin(settings)
        return {"trial": name, "settings": settings}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learned from it."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing for Ray."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""


def _train(config: StudyConfig, room: Room, files: Path) -> None:
    """Run the trainings that have not ended.

    Raises:
        StoppedError: It was interrupted before all had, or a store cannot be reached.
    """
    folders = {name: trial_folder(config, name) for name in config.trainings}
    ended = {name for name, folder in folders.items() if folder.outcome is not None}
    epochs = config.recognition.training.epochs
    if len(ended) < len(folders):
        logger.info(
            "%d trainings, %d at once, with %d CPU and %g GPU each",
            len(folders) - len(ended), room.at_once, room.cpus, room.gpus,
        )  # fmt: skip
        outage = StopAtOutage()
        with TrialBoard(len(folders), epochs, config.metric, is_better_high=True) as board:
            for name in ended:
                outcome, records = folders[name].outcome, folders[name].records
                best = max((record[config.metric] for record in records), default=None)
                reason = outcome.error if outcome else None
                board.ended_before(name, config.trainings[name], best, reason or "")
            how = run_config(config, board, outage, files)
            _tuner(config, room, len(folders) - len(ended), _Queue(config, outage), how).fit()
        outage.tell()
        remove_rays_files(config, files)
    left = [name for name, folder in folders.items() if folder.outcome is None]
    if left:
        raise StoppedError(
            f"The study was interrupted after {len(folders) - len(left)} of {len(folders)} trainings; the "
            "same command goes on."
        )


def _tuner(
    config: StudyConfig, room: Room, num_trainings: int, queue: _Queue, how: ray.tune.RunConfig
) -> ray.tune.Tuner:
    quieten_tune()
    plain = config.model_dump(mode="json")
    trainable = ray.tune.with_parameters(run_arm, plain=plain, cpus=room.cpus)
    return ray.tune.Tuner(
        ray.tune.with_resources(trainable, room.placement),
        tune_config=ray.tune.TuneConfig(
            num_samples=num_trainings,
            search_alg=queue,
            max_concurrent_trials=room.at_once,
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.config["trial"]),
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=how,
    )


def _arm_run(config: StudyConfig, name: str, images_per_epoch: int) -> ArmRun:
    folder, settings = trial_folder(config, name), config.trainings[name]
    pairs = folder.content(PAIRS_FILE)
    return ArmRun(
        arm=settings["arm"],
        seed=settings["seed"],
        images_per_epoch=images_per_epoch,
        records=folder.records,
        pairs=None if pairs is None else read_pairs_table(pa.BufferReader(pairs)),
        error=folder.outcome.error if folder.outcome else None,
    )
