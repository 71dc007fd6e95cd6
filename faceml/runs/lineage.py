"""Lineage of a model: the trainings behind it, read from its own file and those of its starting weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from faceml.config import ConfigError, SplitConfig, parse_config
from faceml.errors import catch_errors
from faceml.storage import canonical_place, read_tensors
from faceml.tables import TableSelection, build_selection

WITHOUT_FILE = ("none", "imagenet")
"""Values of `model.weights` that name no file."""


class Ancestor(NamedTuple):
    """A model that a training started from, directly or through other models.

    Attributes:
        place: Path or URI of the model's file.
        config: Configuration of its training; None if the file has none, or cannot be read.
    """

    place: str
    config: Mapping[str, Any] | None

    @property
    def training_split(self) -> TableSelection | None:
        """Rows that the model was trained on; None if unknown."""
        return find_split(self.config or {}, "data.train")

    @property
    def is_recognition(self) -> bool:
        """Whether the model learned to tell people apart, who are the folders of its table."""
        return "margin" in (self.config or {})


def find_ancestors(weights: str) -> list[Ancestor]:
    """Return the models behind starting weights, the nearest one first.

    Args:
        weights: `model.weights` of a training: the path or URI of a model's file, `none` or `imagenet`.
    """
    found: dict[str, Ancestor] = {}
    place: Any = weights
    while isinstance(place, str) and place not in WITHOUT_FILE and canonical_place(place) not in found:
        config = read_model_config(place)
        found[canonical_place(place)] = Ancestor(place, config)
        place = find_setting(config or {}, "model.weights")
    return list(found.values())


def read_model_config(place: str) -> Mapping[str, Any] | None:
    """Return the configuration of the training in a model's file; None without one, or without the file."""
    with catch_errors(Exception):  # PyTorch has an error of its own for every kind of other file
        checkpoint = read_tensors(place)
        config = checkpoint.get("config") if isinstance(checkpoint, dict) else None
        return config if isinstance(config, dict) else None
    return None


def find_split(config: Mapping[str, Any], key: str) -> TableSelection | None:
    """Return the rows of a split of plain values; None if they name none."""
    split = find_setting(config, key)
    with catch_errors(ConfigError):
        return build_selection(parse_config(SplitConfig, split if isinstance(split, Mapping) else {}))
    return None


def find_setting(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key of plain values; None if it is not there."""
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
