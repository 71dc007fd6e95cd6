"""Kinds of runs, and the refusal of a folder with a run of another kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from faceml.config import ConfigError, load_yaml
from faceml.errors import catch_errors
from faceml.runs.files import BEST_MODEL_FILE, CONFIG_FILE, SUMMARY_FILE
from faceml.storage import StorageFolder, translate_outage

SECTIONS = {
    "search": "search",
    "arms": "study",
    "synth": "demo",
    "landmarker": "extraction",
    "formats": "export",
    "compare_with": "evaluation",
    "annotations": "landmark evaluation",
    "sets": "recognition evaluation",
    "faces": "prediction",
    "margin": "recognition training",
    "weighting": "multitask training",
}
"""Key at the top of `config.yaml` that only one kind of run has."""

TABLE_SUFFIX = ".parquet"


def kind_of_run(config: Mapping[str, Any]) -> str | None:
    """Return the kind of the run with a configuration; None if it is that of no job."""
    return next((kind for key, kind in SECTIONS.items() if key in config), None)


def parse_run_config(content: str | bytes) -> dict[str, Any]:
    """Return the plain values of a `config.yaml`; empty if it is malformed or no mapping."""
    with catch_errors(yaml.YAMLError):
        raw = load_yaml(content)
        return raw if isinstance(raw, dict) else {}
    return {}


def refuse_other_kind(folder: StorageFolder, config: Mapping[str, Any]) -> None:
    """Refuse a run folder that another kind of job, or none, has written.

    Args:
        folder: Run folder of a job that is about to write.
        config: Plain values of the job's configuration.

    Raises:
        ConfigError: The folder holds a run of another kind, a model without its run, or a table.
        StoppedError: The store cannot be reached.
    """
    kind, found = kind_of_run(config), _kind_in(folder)
    if found not in (None, kind):
        raise ConfigError(
            f"run.folder: {folder.uri} holds {found}, whose files this {kind} would replace. Choose "
            "another folder."
        )


def refuse_run_folder(setting: str, place: str | Path) -> None:
    """Refuse to write other files into the folder of a run.

    Args:
        setting: Setting or option that names the folder, or a file in it.
        place: The folder, a path or URI.

    Raises:
        ConfigError: The folder holds a run.
        StoppedError: The store cannot be reached.
    """
    folder = StorageFolder(place)
    with translate_outage(folder.uri):
        if folder.has(CONFIG_FILE):
            raise ConfigError(
                f"{setting}: {folder.uri} holds the {CONFIG_FILE} of a run. Choose another folder."
            )


def _kind_in(folder: StorageFolder) -> str | None:
    """Return the kind of the run in a folder, or a description of other results; None if it has none."""
    with translate_outage(folder.uri):
        if folder.has(CONFIG_FILE):
            content = folder.read(CONFIG_FILE, follow_links=True)
            config = parse_run_config(content) if isinstance(content, bytes) else {}
            return kind_of_run(config) or f"a {CONFIG_FILE} of no job of faceml"
        results = [
            name
            for name in folder.files()
            if name in (BEST_MODEL_FILE, SUMMARY_FILE) or name.endswith(TABLE_SUFFIX)
        ]
    return f"{results[0]} of another job" if results else None
