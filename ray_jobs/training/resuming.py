"""Starting in a run folder, or going on in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faceml.config import (
    Config,
    ConfigError,
    TrainConfig,
    assign_keys,
    dump_config,
    load_config,
    load_yaml,
    parse_config,
)
from faceml.runs import CONFIG_FILE, REPORT_FILE, WorkingCopy
from faceml.storage import is_uri, write_text

MAY_CHANGE = (
    "data.train.table",
    "data.train.images",
    "data.val.table",
    "data.val.images",
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
"""Settings of a training that may change in the middle of it: they say where the faces are, how fast it goes
and who is told, not what is learnt. What stops it may be lifted too: steps that have a finite gradient are
the same whatever happens to others."""

MOVED = ("run.folder", "storage", "train.storage", "recognition.storage")
"""Settings of any job that say where its folders are, which may have been moved since."""

LOGGED = ("logging", "train.logging", "recognition.logging")
"""Settings of any job that say how it tells what it does."""


def enter_run_folder(
    place: str | Path, config: Config, may_change: Sequence[str] = (), *, may_be_finished: bool = False
) -> WorkingCopy:
    """Write the resolved configuration into a new run folder, or check that an unfinished run has the same.

    Args:
        place: Of the run's folder, a path or URI.
        config: Of the whole job.
        may_change: Dotted keys of settings and sections in which an unfinished run may differ.
        may_be_finished: Whether there is something left to do in the folder of a finished run.

    Returns:
        The folder's files on this machine.

    Raises:
        ConfigError: The folder holds a finished run, or an unfinished one of another configuration.
        StoppedError: Its store cannot be reached.
    """
    copy = WorkingCopy(place)
    copy.fetch()
    folder = copy.path
    if (folder / REPORT_FILE).is_file() and not may_be_finished:  # which is written last
        raise ConfigError(f"run.folder: {place} holds a finished run. Choose another folder or remove it.")
    if (folder / CONFIG_FILE).is_file():
        differing = _changes(_read_config(folder), config, [*may_change, *MOVED, *LOGGED])
        if differing:
            raise ConfigError(
                f"run.folder: {place} holds an unfinished run with another {', '.join(differing)}. "
                "Choose another folder, or use its config.yaml to go on."
            )
    write_text(folder / CONFIG_FILE, dump_config(config))
    copy.push()
    return copy


def load_interrupted_training(place: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the configuration of the training in a run folder, wherever the folder is now.

    Args:
        place: Of the run's folder, a path or URI.
        overrides: `dotted.key=value` each, of what may change in the middle of a training.

    Raises:
        ConfigError: The folder holds no training or a finished one, a setting may not change, or an input
            is no longer where it was.
        StoppedError: The folder's store cannot be reached.
    """
    copy = WorkingCopy(place if is_uri(place) else Path(place).expanduser())
    copy.fetch()
    place, folder = copy.folder.uri, copy.path
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(f"--resume {place}: holds no run, for it has no {CONFIG_FILE}.")
    there = _read_config(folder)
    if "training" not in there:
        raise ConfigError(f"--resume {place}: its {CONFIG_FILE} is not that of a training.")
    if (folder / REPORT_FILE).is_file():
        raise ConfigError(
            f"--resume {place}: the training is finished, its results are in {REPORT_FILE}. Start another "
            f"with --config {folder / CONFIG_FILE} --set run.folder=ANOTHER"
        )
    config = load_config(TrainConfig, folder / CONFIG_FILE, overrides)
    differing = _changes(there, config, MAY_CHANGE)
    if differing:
        raise ConfigError(
            f"--resume {place}: {', '.join(differing)} cannot change in the middle of a training. "
            f"These can: {', '.join(MAY_CHANGE)}."
        )
    return parse_config(TrainConfig, assign_keys(config.model_dump(mode="json"), {"run.folder": place}))


def _read_config(folder: Path) -> dict[str, Any]:
    """Return what a run folder's `config.yaml` holds, nothing if it is no mapping."""
    raw = load_yaml((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    return raw if isinstance(raw, dict) else {}


def _changes(there: dict[str, Any], config: Config, allowed: Sequence[str]) -> list[str]:
    """Return the dotted keys in which a configuration differs and must not."""
    return [
        key
        for key in _differing_keys(there, config.model_dump(mode="json"))
        if not f"{key}.".startswith(tuple(f"{name}." for name in allowed))
    ]


def _differing_keys(there: Any, here: Any, key: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*there, *here]):
            yield from _differing_keys(there.get(name), here.get(name), f"{key}.{name}".lstrip("."))
    elif there != here:
        yield key
