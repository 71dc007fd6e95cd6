"""Record of the tables that a training began with, which its continuation must find unchanged."""

import json
from typing import Any

from faceml.config import ConfigError, DataConfig, RecognitionDataConfig
from faceml.runs.files import DATA_FILE
from faceml.runs.run_folder import RunFolder
from faceml.storage import write_text
from faceml.tables import build_selection, label_digest, table_digests

Digests = dict[str, dict[str, Any]]
"""Digests of a table, see `table_digests` and `label_digest`, by the setting that names it."""


def digest_data(
    data: DataConfig | RecognitionDataConfig, run_folder: RunFolder, section: str = ""
) -> Digests:
    """Return the digests of the tables of a training, or refuse to continue a run that began with others.

    Args:
        data: Data of the training.
        run_folder: Its run folder, entered.
        section: Section of the configuration that contains `data`, with a dot at the end.

    Raises:
        ConfigError: A table has grown or changed since the run in the folder began.
    """
    began_with = read_digests(run_folder)
    digests = {
        f"data.{name}.table": table_digests(build_selection(split))
        for name, split in (("train", data.train), ("val", data.val))
    }
    for name, split in (("train", data.train), ("val", data.val)):
        if split.labels is not None:
            digests[f"data.{name}.labels"] = label_digest(split.labels.file)
    for key, found in digests.items():
        before = began_with.get(key, found)
        if found != before and "images" not in found:
            raise ConfigError(
                f"{section}{key}: has changed since the run in {run_folder.place} began. Continue it with "
                "the same labels, or choose another run.folder."
            )
        if found != before:
            is_same_number = found["images"] == before["images"]
            change = (
                "has other images than when" if is_same_number else f"has {found['images']:,} images, but"
            )
            number = "" if is_same_number else f" with {before['images']:,}"
            raise ConfigError(
                f"{section}{key}: {change} the run in {run_folder.place} began{number}. Continue it with the "
                "same images, or choose another run.folder."
            )
    return digests


def write_digests(digests: Digests, run_folder: RunFolder) -> None:
    """Write the digests of `digest_data` into the folder of a run that begins, and push them."""
    write_text(run_folder.path / DATA_FILE, json.dumps(digests, indent=2) + "\n")
    run_folder.push()


def read_digests(run_folder: RunFolder) -> Digests:
    """Return the digests of the tables that a run began with; empty for runs of earlier versions."""
    file = run_folder.path / DATA_FILE
    found: Digests = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found
