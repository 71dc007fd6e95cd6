"""Starting in a run folder, or going on in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from faceml.atomic import write_text
from faceml.config.base import Config
from faceml.config.config_error import ConfigError
from faceml.config.loading import dump_config
from faceml.run_files import CONFIG_FILE, SUMMARY_FILE


def enter_run_folder(folder: Path, config: Config) -> None:
    """Write the resolved configuration into a new run folder, or check that an unfinished run has the same.

    Raises:
        ConfigError: The folder holds a finished run, or an unfinished one of another configuration.
    """
    if (folder / SUMMARY_FILE).is_file():
        raise ConfigError(f"run.folder: {folder} holds a finished run. Choose another folder or remove it.")
    if (folder / CONFIG_FILE).is_file():
        there = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        differing = list(_differing_keys(there, config.model_dump(mode="json")))
        if differing:
            raise ConfigError(
                f"run.folder: {folder} holds an unfinished run with another {', '.join(differing)}. "
                "Choose another folder, or use its config.yaml to go on."
            )
    write_text(folder / CONFIG_FILE, dump_config(config))


def _differing_keys(there: Any, here: Any, key: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*there, *here]):
            yield from _differing_keys(there.get(name), here.get(name), f"{key}.{name}".lstrip("."))
    elif there != here:
        yield key
