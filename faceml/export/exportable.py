"""A trained model of either kind, made ready for export, and what its files say of themselves."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import faceml
from faceml.datasets import ALIGNED_BY, EXPRESSIONS, Preprocessing
from faceml.export.graph import FaceGraph, MultitaskGraph, RecognitionGraph
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.training import is_recognition, load_trained_model, load_trained_recognition, read_state

WHOLE_IMAGE = "uint8 RGB of shape (batch, height, width, 3), whole decoded images of any size, upright"
ALIGNED_FACE = (
    "uint8 RGB of shape (batch, height, width, 3), faces whose five landmarks were moved onto the template "
    "of `preprocessing` (in 112 px) by a similarity, which this graph cannot do: it has no landmarks"
)


class Exportable(NamedTuple):
    """A model about to be exported.

    Attributes:
        graph: In evaluation mode.
        preprocessing: Of its training.
        landmark_set: The points it places, or that its faces are aligned by.
        metadata: Words that go into every file, values that are not words as JSON.
    """

    graph: FaceGraph
    preprocessing: Preprocessing
    landmark_set: LandmarkSet
    metadata: dict[str, str]

    @property
    def names_expressions(self) -> bool:
        """Whether it names expressions and places landmarks; else it tells people apart."""
        return isinstance(self.graph, MultitaskGraph)


def load_exportable(place: str | Path) -> Exportable:
    """Read a `best_model.pt` of `faceml train` or `faceml transfer`, at a path or URI.

    Raises:
        ConfigError: It is neither, or was trained on images, points or labels other than this faceml makes.
    """
    checkpoint = read_state(place)
    if is_recognition(checkpoint):
        recognition = load_trained_recognition(checkpoint, place)
        return Exportable(
            RecognitionGraph(recognition.model, recognition.preprocessing).eval(),
            recognition.preprocessing,
            LANDMARK_SETS[ALIGNED_BY],
            _metadata(recognition.preprocessing, input=ALIGNED_FACE),
        )
    trained = load_trained_model(place)
    words = {"labels": list(EXPRESSIONS), "landmark_names": list(trained.landmark_set.names)}
    return Exportable(
        MultitaskGraph(trained.model, trained.preprocessing).eval(),
        trained.preprocessing,
        trained.landmark_set,
        _metadata(trained.preprocessing, input=WHOLE_IMAGE, **words),
    )


def _metadata(preprocessing: Preprocessing, **more: Any) -> dict[str, str]:
    values = {"faceml_version": faceml.__version__, "preprocessing": preprocessing.fingerprint(), **more}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
