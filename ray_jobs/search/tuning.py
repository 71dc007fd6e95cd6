"""`faceml tune`: Ray Tune searches the settings of the multitask training."""

import logging
import time
from itertools import chain, islice
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import TrialScheduler
from rich.console import Console

from faceml.config import (
    METRIC_MODES,
    RetrainConfig,
    TuneConfig,
    build_running_trial,
    build_trial_config,
    check_inputs,
    corners,
    dump_config,
)
from faceml.errors import StoppedError
from faceml.models import refuse_unusable_weights
from faceml.page import Report
from faceml.quality import audit_leakage
from faceml.reporting import (
    TrialBoard,
    answer_tables,
    group_leaderboard_table,
    leaderboard_table,
    tuning_chapter,
)
from faceml.runs import SUMMARY_FILE, RunFolder, TrialFolder, read_summary
from faceml.search import (
    Trial,
    find_answers,
    group_seeds,
    has_repeats,
    ranked,
    search_answer,
    verdict_lines,
    write_answers,
    write_trials,
)
from faceml.storage import StorageFolder, place_below, translate_outage, write_text
from faceml.training import build_cached_faces, steps_per_epoch
from ray_jobs.cluster import RayCluster, require_reach, require_resources
from ray_jobs.search.callbacks import quieten_tune, remove_rays_files, run_config
from ray_jobs.search.outage import StopAtOutage
from ray_jobs.search.plan import build_plan, planned_settings
from ray_jobs.search.resources import Room, await_room, cluster_nodes, plan_room
from ray_jobs.search.retrain import RETRAINED, retrain, retrained_in_words
from ray_jobs.search.searcher import PlanSearcher, best_value, build_scheduler, trial_folders
from ray_jobs.search.suggestions import Plan
from ray_jobs.search.trial import EPOCH_SECONDS, TRIALS_FOLDER, run_trial
from ray_jobs.search.worker_group import GroupTrial
from ray_jobs.training import needed_resources

BEST_CONFIG_FILE = "best_config.yaml"
# A search over many choices has more combinations than are worth trying before it starts.
MOST_COMBINATIONS_TRIED = 1000

logger = logging.getLogger(__name__)


def run(config: TuneConfig) -> list[Trial]:
    """Search, and return the trials, the best one first.

    A search that was interrupted in the same folder is continued: trials that ended are not run again, others
    go on from their checkpoints. With `retrain`, a search that is finished is only retrained.

    Raises:
        ConfigError: A key or value of the search that the training refuses, data or resources that do not
            fit; found before any trial starts.
        StoppedError: The search was interrupted, its folder cannot be reached, or every trial failed.
    """
    started_s = time.monotonic()
    check_search(config)
    audit_leakage(config.train.data)
    begun = trial_folders(place_below(config.run.folder, TRIALS_FOLDER))
    plan = build_plan(config, {trial.name: trial.settings or {} for trial in begun})
    left = config.retrain if config.retrain and not _is_retrained(config, config.retrain) else None
    with RayCluster():
        wait_s = config.train.scaling.wait_for_nodes_s
        require_reach(config, wait_s > 0)
        await_room(config.trial, wait_s)
        room = plan_room(cluster_nodes(), config.trial, plan.total)
        if left is not None:
            require_resources(needed_resources(config.train), "train.scaling", wait_s)
        with RunFolder(config.run.folder) as run_folder:
            run_folder.begin(dump_config(config), ["retrain"], may_be_finished=left is not None)
            files = run_folder.path
            trials = ranked([_trial(folder, config) for folder in _search(config, plan, room, files)])
            if trials[0].error:
                raise StoppedError(f"All {len(trials)} trials failed; the best one with: {trials[0].error}")
            best = build_trial_config(config, _best_settings(trials), place_below(config.run.folder, "best"))
            if not run_folder.is_finished:
                write_text(files / BEST_CONFIG_FILE, dump_config(best))
                _write_results(run_folder, trials, time.monotonic() - started_s)
            if left is not None:
                found = {RETRAINED: retrain(best, config, left)}
                run_folder.write_summary(read_summary(files) | found)
    return trials


def _write_results(run_folder: RunFolder, trials: list[Trial], wall_s: float) -> None:
    """Write summary, tables and report of a search."""
    best = trials[0]
    summary = {
        "trials": [trial.as_json() for trial in trials],
        "best": best.as_json(),
        "best_settings": _best_settings(trials),
        "answers": [answer.sentence for answer in find_answers(trials)],
        "wall_s": round(wall_s, 2),
        "training_s": round(sum(record[EPOCH_SECONDS] for trial in trials for record in trial.records), 2),
    }
    files = run_folder.path
    run_folder.write_summary(summary)
    write_trials(trials, files)
    write_answers(trials, files)
    run_folder.finish(Report("Search", search_answer(trials), [tuning_chapter(files, trials)]))


def _best_settings(trials: list[Trial]) -> dict[str, Any]:
    """Return those of the best mean over seeds, if seeds were repeated; else those of the best trial."""
    best = group_seeds(trials)[0]
    return best.settings if has_repeats(trials) and best.scores else trials[0].settings


def _is_retrained(config: TuneConfig, settings: RetrainConfig) -> bool:
    with translate_outage(config.run.folder):
        summary = StorageFolder(config.run.folder).read_json(SUMMARY_FILE) or {}
    found = summary.get(RETRAINED)
    return found is not None and found["seeds"] == list(settings.seeds)


def show(trials: list[Trial], config: TuneConfig, console: Console) -> None:
    """Print the verdicts and what they rest on, what retraining found, and how to train with the best."""
    for table in answer_tables(trials):
        console.print(table)
    console.print(group_leaderboard_table(trials) if has_repeats(trials) else leaderboard_table(trials))
    for line in verdict_lines(trials):
        console.print(line, soft_wrap=True)
    files = RunFolder(config.run.folder).path
    found = read_summary(files).get(RETRAINED)
    if found is not None:
        console.print(retrained_in_words(found), soft_wrap=True)
    command = f"faceml train --config {files / BEST_CONFIG_FILE}"
    console.print(f"Train with the best settings: {command}", soft_wrap=True)


def check_search(config: TuneConfig) -> None:
    """Try the settings that a search may choose, of a range its ends too, on the training configuration.

    Raises:
        ConfigError: The training has no such key, or refuses a value, a starting weight or the data.
    """
    together = chain(islice(corners(config.search), MOST_COMBINATIONS_TRIED), planned_settings(config))
    tried = [build_running_trial(config, settings, config.run.folder) for settings in together]
    for model in {trial.model for trial in tried}:
        check_inputs(model, "train.model.")
        refuse_unusable_weights(model)
    # Settings that fill their steps alike are looked at once.
    filling = {
        (trial.data.train, trial.data.val, trial.training.batch_size_per_worker): trial for trial in tried
    }
    for trial in filling.values():
        steps_per_epoch(trial, build_cached_faces(trial.data))


def _search(config: TuneConfig, plan: Plan, room: Room, files: Path) -> list[TrialFolder]:
    """Run the trials that have not ended, and return the folders of all.

    Raises:
        StoppedError: It was interrupted before all had, or a store cannot be reached.
    """
    place = place_below(config.run.folder, TRIALS_FOLDER)
    ended = [trial for trial in trial_folders(place) if trial.outcome is not None]
    epochs = config.train.training.epochs
    is_better_high = METRIC_MODES[config.metric] == "max"
    if len(ended) < plan.total:
        logger.info(
            "%d trials, %d at once, %d worker(s) with %d CPU and %g GPU each",
            plan.total - len(ended), room.at_once, room.workers, room.cpus, room.gpus,
        )  # fmt: skip
        outage = StopAtOutage()
        with TrialBoard(plan.total, epochs, config.metric, is_better_high) as board:
            for trial in ended:
                reason = trial.outcome.error if trial.outcome else None
                best = best_value(trial.records, config.metric)
                board.ended_before(trial.name, trial.settings or {}, best, reason or "")
            searcher, scheduler = PlanSearcher(plan, config, outage), build_scheduler(config, ended)
            how = run_config(config, board, outage, files)
            _tuner(config, room, plan.total - len(ended), searcher, scheduler, how).fit()
        outage.tell()
        remove_rays_files(config, files)
        ended = [trial for trial in trial_folders(place) if trial.outcome is not None]
    if len(ended) < plan.total:
        raise StoppedError(
            f"The search was interrupted after {len(ended)} of {plan.total} trials; the same command goes on."
        )
    for trial in ended:
        trial.remove_checkpoint()
    return ended


def _tuner(
    config: TuneConfig,
    room: Room,
    num_trials: int,
    searcher: PlanSearcher,
    scheduler: TrialScheduler,
    how: ray.tune.RunConfig,
) -> ray.tune.Tuner:
    quieten_tune()
    plain = config.model_dump(mode="json")
    train = run_trial if room.workers == 1 else GroupTrial
    return ray.tune.Tuner(
        ray.tune.with_resources(ray.tune.with_parameters(train, plain=plain, cpus=room.cpus), room.placement),
        tune_config=ray.tune.TuneConfig(
            num_samples=num_trials,
            search_alg=searcher,
            scheduler=scheduler,
            max_concurrent_trials=room.at_once,
            # A new process would import everything again; one that waits for workers imports nothing.
            reuse_actors=room.workers == 1,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=how,
    )


def _trial(folder: TrialFolder, config: TuneConfig) -> Trial:
    return Trial(
        name=folder.name,
        settings=folder.settings or {},
        records=folder.records,
        max_epochs=config.train.training.epochs,
        error=folder.outcome.error if folder.outcome else None,
        metric=config.metric,
    )


def _trial_name(trial: RayTrial) -> str:
    return str(trial.config["trial"])
