"""`faceml transfer` with arms: training of every arm with every seed on Ray Tune, and their comparison."""

import time
from typing import Any, NamedTuple

import pyarrow as pa
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
from faceml.models import refuse_other_normalisation, refuse_unusable_network
from faceml.page import Report
from faceml.quality import audit_leakage
from faceml.reporting import (
    ArmRun,
    study_answer,
    study_chapter,
    study_summary,
    study_table,
    undetected_sentence,
    verdict,
)
from faceml.runs import PAIRS_FILE, RunFolder, digest_data, write_digests
from faceml.search import ArmStudy, compare_arms
from faceml.training import build_people, read_pairs_table, recognition_steps
from ray_jobs.cluster import RayCluster, cluster_nodes, require_reach
from ray_jobs.search.arm import run_arm
from ray_jobs.search.resources import await_room, plan_room
from ray_jobs.search.runner import run_trials
from ray_jobs.search.searcher import Plan
from ray_jobs.search.trial import trial_folder

MAY_GROW = ("seeds", "arms")
"""Settings that may have further values, also in a finished study."""
REMEDY = "To try failed trainings again, remove their folders below trials, and report.html if it is there."


def run(config: StudyConfig) -> tuple[ArmStudy, list[ArmRun]]:
    """Run the trainings that have not ended, and return the comparison of the arms and all trainings.

    A study that was interrupted in the same folder is continued: trainings that ended are not run again,
    others resume from their checkpoints. A finished study goes on if it has further seeds or arms.

    Raises:
        ConfigError: An arm, the data or the resources are unsuitable; raised before any training starts.
        StoppedError: The study was interrupted, its folder cannot be reached, or fewer than two arms have a
            training that did not fail.
    """
    started_s = time.monotonic()
    config = with_checked_arms(config)
    with RunFolder(config.run.folder) as run_folder:
        run_folder.check(dump_config(config), may_grow=MAY_GROW)
        digests = digest_data(config.recognition.data, run_folder, "recognition.")
        scope = check_study(config)
        with RayCluster():
            wait_s = config.recognition.scaling.wait_for_nodes_s
            require_reach(config, wait_s > 0)
            await_room(config.trial, wait_s)
            room = plan_room(cluster_nodes(), config.trial, len(config.trainings))
            leaks = audit_leakage(config.recognition.data, scope.weights)
            run_folder.begin(dump_config(config), may_grow=MAY_GROW)
            write_digests(digests, run_folder)
            plan = Plan(len(config.trainings), iter(config.trainings.items()))
            run_trials(config, plan, run_arm, config.recognition.training.epochs, room, run_folder.path)
        runs = [_arm_run(config, name, scope.images_per_epoch) for name in config.trainings]
        study = _compare(config, runs)
        wall_s = round(time.monotonic() - started_s, 1)
        summary = study_summary(study, runs, config.targets) | {
            "leakage": leaks,
            "without_landmarks": scope.without_landmarks,
            "wall_s": wall_s,
        }
        run_folder.write_summary(summary)

        def build_report() -> Report:
            chapter = study_chapter(config, study, runs, summary, scope.num_people)
            answer = " ".join([study_answer(study), *leaks]) + undetected_sentence(summary)
            return Report("What helps face recognition", answer, [chapter])

        run_folder.finish(build_report)
    return study, runs


def _compare(config: StudyConfig, runs: list[ArmRun]) -> ArmStudy:
    """Compare the arms that have a training.

    Raises:
        StoppedError: Fewer than two arms have one.
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
    """Size of the training data, images without landmarks in pairs, and the starting weights of all arms."""

    images_per_epoch: int
    num_people: int
    without_landmarks: dict[str, Any]
    weights: list[str]


def check_study(config: StudyConfig) -> Scope:
    """Check every arm, and return the size of the training data.

    Raises:
        ConfigError: An arm, its starting weights or the data are unsuitable.
    """
    refuse_unequal_arms(config)
    people = build_people(config.recognition.data)
    for split in (people.train, people.val):
        split.log_left_out()
    weights = list[str]()
    for name in config.arms:
        arm = build_arm_config(config, name, 0, config.run.folder)
        weights.append(arm.model.weights)
        check_inputs(arm.model, f"arms.{name}.model.")
        refuse_unusable_network(arm.model, arm.data.image_size, arm.optimizer.layer_decay)
        refuse_other_normalisation(arm.model, people.train.preprocessing)
        steps = recognition_steps(arm, people.train)
    # The same for every arm: `refuse_unequal_arms` checks that their steps have one size.
    images = steps * arm.training.accumulate_batches * arm.batch_size_per_worker
    return Scope(images, len(people.train.people), people.without_landmarks, weights)


def show(study: ArmStudy, runs: list[ArmRun], config: StudyConfig, console: Console) -> None:
    """Print a row for each arm, and a verdict on each pair of arms."""
    console.print(study_table(study, runs, config.targets))
    for comparison in study.comparisons:
        console.print(verdict(comparison), soft_wrap=True)
    for run in runs:
        if run.error:
            console.print(f"{run.arm}, seed {run.seed}, failed: {run.error}", soft_wrap=True)
    if any(run.error for run in runs):
        console.print(REMEDY, soft_wrap=True)


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


def run_and_show(config: StudyConfig, console: Console) -> None:
    """Train all arms, and print the results."""
    show(*run(config), config, console)
