"""Provenance of models and data: places, settings, versions, and SHA-256 digests of files and images."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import faceml
from faceml.config import DataConfig, EvaluateConfig, RecognitionDataConfig
from faceml.runs import RunFolder, read_digests
from faceml.storage import StorageFolder, split_place
from faceml.tables import content_digest, table_metadata_of

DETECTOR_KEYS = ("name", "version", "model_sha256")

Facts = list[tuple[str, str]]
"""Pairs of a name and a value."""


def training_data_facts(
    title: str, data: DataConfig | RecognitionDataConfig, run_folder: str | Path
) -> Facts:
    """Return the tables of a training with the digests of their images, for the chapter `title`.

    Args:
        title: Title of the chapter.
        data: Data of the training.
        run_folder: Path or URI of the run folder, which has the digests from the start of the training.
    """
    digests = read_digests(RunFolder(run_folder))
    facts = []
    for name, key, split in (("training", "train", data.train), ("validation", "val", data.val)):
        at_start = digests.get(f"data.{key}.table", {})
        facts.append(data_fact(f"{title}: {name} table", split.table, at_start.get("contents")))
    return facts


def data_fact(name: str, table: str, digest_at_start: str | None = None) -> tuple[str, str]:
    """Return the place of a table with the digest of its images.

    Args:
        name: Name of the fact.
        table: Landmark table, a path or URI.
        digest_at_start: Digest when the run began; None computes it now.
    """
    time = "report time" if digest_at_start is None else "the start"
    digest = content_digest(table) if digest_at_start is None else digest_at_start
    return name, f"{table}; SHA-256 of its images at {time}: {digest or 'unknown'}"


class Provenance(NamedTuple):
    """Provenance of a model and of the split that it was evaluated on.

    Attributes:
        name: Name of the model's run folder.
        facts: Pairs of a name and a value.
        split: Place of the split's table.
        was_chosen_on_it: Whether the best epoch was selected on the same split.
    """

    name: str
    facts: Facts
    split: str
    was_chosen_on_it: bool


def provenance(config: EvaluateConfig, trained_with: Mapping[str, Any]) -> Provenance:
    """Return the provenance of an evaluated model and of its split.

    Args:
        config: Configuration of the evaluation.
        trained_with: Configuration of the training, from the model's file.
    """
    folder, _ = split_place(config.model)
    return Provenance(
        name=split_place(folder)[1],
        facts=[*_model_facts(config.model, trained_with), *_split_facts(config.data.table)],
        split=config.data.table,
        was_chosen_on_it=_setting(trained_with, "data.val.table") == config.data.table,
    )


def _model_facts(place: str, config: Mapping[str, Any]) -> Facts:
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else "unknown"
    settings = {
        "Backbone": "model.backbone",
        "Initial weights": "model.weights",
        "Input size, px": "data.image_size",
        "Training table": "data.train.table",
        "Best epoch selected on": "data.val.table",
        "Maximum epochs": "training.epochs",
        "Task weighting": "weighting.kind",
        "Seed": "seed",
    }
    facts = [(what, _setting(config, key)) for what, key in settings.items()]
    return [("Model", place), ("SHA-256 of the model file", digest), *((what, v) for what, v in facts if v)]


def _split_facts(table: str) -> Facts:
    metadata = table_metadata_of(table)
    detector = json.loads(metadata["faceml.detector"])
    return [
        ("Evaluated on", table),
        ("SHA-256 of its images", content_digest(table) or "unknown"),
        ("Landmark detector", " ".join(str(detector[key]) for key in DETECTOR_KEYS if detector.get(key))),
        ("faceml", f"{faceml.__version__}; version that wrote the table: {metadata['faceml.version']}"),
    ]


def _setting(config: Mapping[str, Any], key: str) -> str:
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)
