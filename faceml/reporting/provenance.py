"""Where a model and what it was measured on come from: enough to tell whether one has the same."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import faceml
from faceml.config import EvaluateConfig
from faceml.reporting.data_digest import content_digest
from faceml.storage import StorageFolder, split_place
from faceml.tables import table_metadata_of
from faceml.training import TrainedModel

DETECTOR_KEYS = ("name", "version", "model_sha256")

Facts = list[tuple[str, str]]


class Provenance(NamedTuple):
    """Of a model and of the split that it was measured on.

    Attributes:
        name: Of the model: that of its run folder.
        facts: Pairs of a name and a value.
        split: Place of the split's table.
        was_chosen_on_it: Whether the best epoch was chosen on the same split.
    """

    name: str
    facts: Facts
    split: str
    was_chosen_on_it: bool


def provenance(config: EvaluateConfig, trained: TrainedModel) -> Provenance:
    """Return what an evaluation knows of both."""
    folder, _ = split_place(config.model)
    return Provenance(
        name=split_place(folder)[1],
        facts=[*_of_model(config.model, trained.config), *_of_split(config.data.table)],
        split=config.data.table,
        was_chosen_on_it=_setting(trained.config, "data.val.table") == config.data.table,
    )


def _of_model(place: str, config: Mapping[str, Any]) -> Facts:
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else "not known"
    settings = {
        "Network": "model.backbone",
        "Started from": "model.weights",
        "Side of its images, px": "data.image_size",
        "Trained on": "data.train.table",
        "Best epoch chosen on": "data.val.table",
        "Epochs at most": "training.epochs",
        "Weighting of its tasks": "weighting.kind",
        "Seed": "seed",
    }
    facts = [(what, _setting(config, key)) for what, key in settings.items()]
    return [("Model", place), ("SHA-256 of its file", digest), *((what, v) for what, v in facts if v)]


def _of_split(table: str) -> Facts:
    metadata = table_metadata_of(table)
    detector = json.loads(metadata["faceml.detector"])
    return [
        ("Measured on", table),
        ("SHA-256 of its images", content_digest(table) or "not known"),
        ("Landmarks by", " ".join(str(detector[key]) for key in DETECTOR_KEYS if detector.get(key))),
        ("faceml", f"{faceml.__version__}; the table was made by {metadata['faceml.version']}"),
    ]


def _setting(config: Mapping[str, Any], key: str) -> str:
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)
