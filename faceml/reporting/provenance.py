"""Provenance of models and data: places, settings, versions, and SHA-256 digests of files and images."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import faceml
from faceml.config import DataConfig, EvaluateConfig, RecognitionDataConfig
from faceml.runs import RunFolder, find_setting, find_split, read_digests
from faceml.storage import StorageFolder, split_place
from faceml.tables import TableSelection, build_selection, content_digest, table_metadata_of

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
        facts.append(data_fact(f"{title}: {name} table", build_selection(split), at_start.get("contents")))
    return facts


def data_fact(name: str, selection: TableSelection, digest_at_start: str | None = None) -> tuple[str, str]:
    """Return the place of a table, and the rows of a split, with the digest of their images.

    Args:
        name: Name of the fact.
        selection: Rows of a landmark table.
        digest_at_start: Digest when the run began; None computes it now.
    """
    time = "report time" if digest_at_start is None else "the start"
    digest = content_digest(selection) if digest_at_start is None else digest_at_start
    return name, f"{selection}; SHA-256 of its images at {time}: {digest or 'unknown'}"


class Provenance(NamedTuple):
    """Provenance of a model and of the split that it was evaluated on.

    Attributes:
        name: Name of the model's run folder.
        facts: Pairs of a name and a value.
        split: Place of the split's table, and its rows.
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
    selection = build_selection(config.data)
    return Provenance(
        name=split_place(folder)[1],
        facts=[*model_facts(config.model, trained_with), *_split_facts(selection)],
        split=evaluated_split(config),
        was_chosen_on_it=str(find_split(trained_with, "data.val")) == str(selection),
    )


def evaluated_split(config: EvaluateConfig) -> str:
    """Return the split of an evaluation, and that outputs are averaged if they are."""
    averaged = ", averaged over each image and its mirror image (flip_test)" if config.flip_test else ""
    return f"{build_selection(config.data)}{averaged}"


def model_facts(place: str, config: Mapping[str, Any]) -> Facts:
    """Return the place of a model, the digest of its file, and main settings of its training.

    Args:
        place: Path or URI of the file.
        config: Configuration of the training.
    """
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else "unknown"
    settings = {
        "Backbone": "model.backbone",
        "Initial weights": "model.weights",
        "Input size, px": "data.image_size",
        "Maximum epochs": "training.epochs",
        "Task weighting": "weighting.kind",
        "Seed": "seed",
    }
    facts = [
        *((what, find_setting(config, key)) for what, key in settings.items()),
        ("Training table", find_split(config, "data.train")),
        ("Best epoch selected on", find_split(config, "data.val")),
    ]
    known = [(what, str(value)) for what, value in facts if value is not None]
    return [("Model", place), ("SHA-256 of the model file", digest), *known]


def _split_facts(selection: TableSelection) -> Facts:
    metadata = table_metadata_of(selection.table)
    detector = json.loads(metadata["faceml.detector"])
    return [
        ("Evaluated on", str(selection)),
        ("SHA-256 of its images", content_digest(selection) or "unknown"),
        ("Landmark detector", " ".join(str(detector[key]) for key in DETECTOR_KEYS if detector.get(key))),
        ("faceml", f"{faceml.__version__}; version that wrote the table: {metadata['faceml.version']}"),
    ]
