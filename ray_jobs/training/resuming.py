"""Continuation of an interrupted or finished training, given only its run folder."""

from collections.abc import Sequence
from pathlib import Path

from faceml.config import ConfigError, TrainConfig, assign_keys, load_config, parse_config
from faceml.runs import CONFIG_FILE, REPORT_FILE, RunFolder, changed_keys, grown_keys
from faceml.storage import is_uri

MAY_CHANGE = (
    "data.train.table",
    "data.train.images",
    "data.train.labels.file",
    "data.val.table",
    "data.val.images",
    "data.val.labels.file",
    "data.leakage",
    "data.loader_processes",
    "data.cache",
    "training.compile",
    "training.on_nonfinite",
    "scaling.cpus_per_worker",
    "scaling.wait_for_nodes_s",
    "storage",
    "logging",
    "tracking",
    "run.checkpoints_to_keep",
)
"""Settings that may change in the middle of a training: they locate its data or affect its speed, its log and
its tracking, but not the trained model. `training.on_nonfinite` is among them because it has no
effect on steps with a finite gradient."""
MAY_GROW = ("training.epochs",)
"""Settings that may be larger, also for a finished training."""


def load_interrupted_training(place: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration of the training in a run folder, even if the folder was moved.

    Args:
        place: Path or URI of the run folder.
        overrides: `dotted.key=value` for each setting to change; see `MAY_CHANGE` and `MAY_GROW`.

    Raises:
        ConfigError: The folder holds no training, or a finished one that is to have no more epochs, a setting
            may not change, or an input does not exist any more.
        StoppedError: The folder's store cannot be reached.
    """
    run_folder = RunFolder(place if is_uri(place) else Path(place).expanduser())
    run_folder.fetch()
    place, before, file = run_folder.place, run_folder.config, run_folder.path / CONFIG_FILE
    if before is None:
        raise ConfigError(f"--resume {place}: holds no run, for it has no {CONFIG_FILE}.")
    if "training" not in before:
        raise ConfigError(f"--resume {place}: its {CONFIG_FILE} is not that of a training.")
    config = load_config(TrainConfig, file, overrides)
    after = config.model_dump(mode="json")
    grown = grown_keys(before, after, MAY_GROW)
    if run_folder.is_finished and not grown:
        raise ConfigError(
            f"--resume {place}: the training is finished, its results are in {REPORT_FILE}. Go on with a "
            f"larger {' or '.join(MAY_GROW)}, or start another with --config {file} --set run.folder=ANOTHER"
        )
    changed = changed_keys(before, after, [*MAY_CHANGE, *grown])
    if changed:
        raise ConfigError(
            f"--resume {place}: {', '.join(changed)} cannot change in the middle of a training. "
            f"These can: {', '.join(MAY_CHANGE)}. {', '.join(MAY_GROW)} can become larger."
        )
    return parse_config(TrainConfig, assign_keys(after, {"run.folder": place}))
