"""`faceml tune`: search for settings of multitask training on Ray Tune."""

import logging
import time
from itertools import chain, islice
from typing import Any

from rich.console import Console

from faceml.config import (
    ConfigError,
    Grid,
    RetrainConfig,
    TrainConfig,
    TuneConfig,
    build_running_trial,
    build_trial_config,
    check_inputs,
    corners,
    dump_config,
    load_yaml,
    retraining_seeds,
)
from faceml.errors import StoppedError, catch_errors
from faceml.models import FullMemoryError, refuse_unusable_network
from faceml.page import Report
from faceml.quality import audit_leakage
from faceml.reporting import (
    result_tables,
    tuning_chapter,
)
from faceml.runs import (
    CONFIG_FILE,
    SUMMARY_FILE,
    RunFolder,
    TrialFolder,
    changed_keys,
    digest_data,
    read_summary,
    write_digests,
)
from faceml.search import (
    SEED,
    Trial,
    epochs_to_train,
    find_answers,
    group_seeds,
    has_repeats,
    ranked,
    search_answer,
    search_score,
    verdict_lines,
    write_answers,
    write_trials,
)
from faceml.storage import StorageFolder, place_below, translate_outage, write_text
from faceml.training import build_cached_faces, steps_per_epoch
from ray_jobs.cluster import RayCluster, cluster_nodes, require_reach, require_resources
from ray_jobs.search.plan import build_plan, planned_settings
from ray_jobs.search.resources import await_room, plan_room
from ray_jobs.search.retrain import RETRAIN_FOLDER, RETRAINED, retrain, retraining_sentence
from ray_jobs.search.runner import run_trials
from ray_jobs.search.searcher import trial_folders
from ray_jobs.search.trial import EPOCH_SECONDS, TRIALS_FOLDER, run_trial
from ray_jobs.search.worker_group import GroupTrial
from ray_jobs.training import MAY_CHANGE, needed_resources

logger = logging.getLogger(__name__)

BEST_CONFIG_FILE = "best_config.yaml"
# A search over many choices has more combinations than are worth checking before it starts.
MOST_COMBINATIONS_TRIED = 1000


def run(config: TuneConfig) -> list[Trial]:
    """Search, and return the trials, the best one first.

    A search that was interrupted in the same folder is continued: trials that ended are not run again, others
    resume from their checkpoints. A finished search goes on if it has more rounds or seeds; with `retrain`,
    it is only retrained.

    Raises:
        ConfigError: Training refuses a key or value of the search, or data or resources do not suffice;
            raised before any trial starts.
        StoppedError: The search was interrupted, its folder cannot be reached, or every trial failed.
    """
    started_s = time.monotonic()
    left = config.retrain if config.retrain and not _is_retrained(config, config.retrain) else None
    growing = settings_that_may_grow(config)
    with RunFolder(config.run.folder) as run_folder:
        is_extended = run_folder.check(
            dump_config(config), ["retrain"], growing, may_be_finished=left is not None
        )
        left = config.retrain if is_extended else left
        digests = digest_data(config.train.data, run_folder, "train.")
        search_score(config)
        weights = check_search(config)
        begun = trial_folders(place_below(config.run.folder, TRIALS_FOLDER))
        plan = build_plan(config, {trial.name: trial.settings or {} for trial in begun})
        with RayCluster():
            wait_s = config.train.scaling.wait_for_nodes_s
            require_reach(config, wait_s > 0)
            await_room(config.trial, wait_s)
            room = plan_room(cluster_nodes(), config.trial, plan.total)
            if left is not None:
                require_resources(needed_resources(config.train), "train.scaling", wait_s)
            audit_leakage(config.train.data, weights)
            run_folder.begin(dump_config(config), ["retrain"], growing, may_be_finished=left is not None)
            write_digests(digests, run_folder)
            files = run_folder.path
            trainable = run_trial if room.workers == 1 else GroupTrial
            folders = run_trials(config, plan, trainable, config.train.training.epochs, room, files)
            trials = ranked([_trial(folder, config) for folder in folders])
            if trials[0].error:
                raise StoppedError(f"All {len(trials)} trials failed; the best one with: {trials[0].error}")
            best = build_trial_config(config, _best_settings(trials), place_below(config.run.folder, "best"))
            if not run_folder.is_finished:
                write_text(files / BEST_CONFIG_FILE, dump_config(best))
                _write_results(run_folder, trials, time.monotonic() - started_s)
            if left is not None:
                refuse_other_retraining(best, config)
                found = {RETRAINED: retrain(best, config, left)}
                run_folder.write_summary(read_summary(files) | found)
    return trials


def settings_that_may_grow(config: TuneConfig) -> list[str]:
    """Return the dotted keys that may be larger when a search goes on; the trials before stay part of it."""
    seeds = isinstance(config.search.get(SEED), Grid)
    return ["num_trials", *([f"search.{SEED}.values"] if seeds else [])]


def refuse_other_retraining(best: TrainConfig, config: TuneConfig) -> None:
    """Refuse to go on with retrainings of settings that were the best ones before the search was extended.

    Raises:
        ConfigError: A folder holds such a retraining.
    """
    place = place_below(config.run.folder, RETRAIN_FOLDER)
    folder = StorageFolder(place)
    with translate_outage(place):
        found = {name: folder.read(f"{name}/{CONFIG_FILE}") for name in folder.folders()}
    for name, content in found.items():
        before = load_yaml(content) if isinstance(content, bytes) else None
        own = [SEED, "run", "training.epochs", *MAY_CHANGE]
        changed = changed_keys(before, best.model_dump(mode="json"), own) if before else []
        if changed:
            raise ConfigError(
                f"retrain: {place_below(place, name)} was trained with settings that are no longer the best: "
                f"{', '.join(changed)} differ. Move or remove it, and run the same command again."
            )


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
    run_folder.finish(lambda: Report("Search", search_answer(trials), [tuning_chapter(files, trials)]))


def _best_settings(trials: list[Trial]) -> dict[str, Any]:
    """Return the settings with the best mean over seeds, or of the best trial if seeds were not repeated."""
    best = group_seeds(trials)[0]
    return best.settings if has_repeats(trials) and best.scores else trials[0].settings


def _is_retrained(config: TuneConfig, settings: RetrainConfig) -> bool:
    with translate_outage(config.run.folder):
        summary = StorageFolder(config.run.folder).read_json(SUMMARY_FILE) or {}
    found = summary.get(RETRAINED)
    return found is not None and found["seeds"] == list(retraining_seeds(config, settings))


def show(trials: list[Trial], config: TuneConfig, console: Console) -> None:
    """Print tables and verdicts, the result of retraining, and the command that trains the best settings."""
    for table in result_tables(trials):
        console.print(table)
    for line in verdict_lines(trials):
        console.print(line, soft_wrap=True)
    files = RunFolder(config.run.folder).path
    found = read_summary(files).get(RETRAINED)
    if found is not None:
        console.print(retraining_sentence(found, search_score(config)), soft_wrap=True)
    command = f"faceml train --config {files / BEST_CONFIG_FILE}"
    console.print(f"Train with the best settings: {command}", soft_wrap=True)


def check_search(config: TuneConfig) -> list[str]:
    """Check the settings that a search may choose, including the limits of ranges, on the training's config.

    Returns:
        The starting weights that it may choose.

    Raises:
        ConfigError: Training has no such key, or refuses a value, a starting weight or the data.
    """
    together = chain(islice(corners(config.search), MOST_COMBINATIONS_TRIED), planned_settings(config))
    tried = [build_running_trial(config, settings, config.run.folder) for settings in together]
    networks = {
        (trial.model, trial.data.image_size, trial.optimizer.layer_decay < 1): trial for trial in tried
    }
    for trial in networks.values():
        check_inputs(trial.model, "train.model.")
        with catch_errors(FullMemoryError) as full:  # such trials fail with this reason, others need not
            refuse_unusable_network(trial.model, trial.data.image_size, trial.optimizer.layer_decay)
        if full.error is not None:
            logger.warning("Trials with model.backbone %s will fail: %s", trial.model.backbone, full.message)
    # Of settings with the same data and batch size one is checked.
    filling = {
        (trial.data.train, trial.data.val, str(trial.tasks), trial.training.batch_size_per_worker): trial
        for trial in tried
    }
    for trial in filling.values():
        faces = build_cached_faces(trial)
        steps_per_epoch(trial, faces)
        faces.log_untrained_classes()
    return sorted({trial.model.weights for trial in tried})


def _trial(folder: TrialFolder, config: TuneConfig) -> Trial:
    settings, records = folder.settings or {}, folder.records
    error = folder.outcome.error if folder.outcome else None
    max_epochs = config.train.training.epochs
    if error is None:  # the settings of a failed trial may be the reason of its failure
        max_epochs = epochs_to_train(build_trial_config(config, settings, config.run.folder), records)
    return Trial(
        name=folder.name,
        settings=settings,
        records=records,
        max_epochs=max_epochs,
        error=error,
        score=search_score(config),
    )


def run_and_show(config: TuneConfig, console: Console) -> None:
    """Search, and print the results."""
    show(run(config), config, console)
