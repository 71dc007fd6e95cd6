"""Trained models prepared for export, and the metadata of their files."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import faceml
from faceml.datasets import ALIGNED_BY, Preprocessing
from faceml.export.graph import FaceGraph, MultitaskGraph, RecognitionGraph
from faceml.tables import LANDMARK_SETS, LandmarkSet
from faceml.tasks import Tasks, describe_tasks, short_contract
from faceml.training import is_recognition, load_trained_model, load_trained_recognition, read_state

RESIZE_OPSET = 18
"""First ONNX operator set with antialiased resizing."""
FRAMED_FACE = (
    "uint8 RGB of shape (batch, height, width, 3), decoded images of any size, upright, each with one face "
    "framed as in training; detection and cropping are not part of this graph. `framing`, if the model has "
    "it, gives the mean landmarks of the training images, in fractions of width and height, and their width "
    "divided by their height"
)
ALIGNED_FACE = (
    "uint8 RGB of shape (batch, height, width, 3), faces aligned by a similarity transform of their five "
    "landmarks onto the template of `preprocessing` (in 112 px); alignment is not part of this graph"
)


class Exportable(NamedTuple):
    """A model to export.

    Attributes:
        graph: In evaluation mode.
        preprocessing: Preprocessing that the model was trained with.
        tasks: What the model predicts, by name; none for recognition.
        landmark_set: The points by which faces are located in images, or are aligned.
        metadata: Metadata written into every file: strings as they are, other values as JSON.
    """

    graph: FaceGraph
    preprocessing: Preprocessing
    tasks: Tasks
    landmark_set: LandmarkSet
    metadata: dict[str, str]


def load_exportable(place: str | Path, opset: int = RESIZE_OPSET) -> Exportable:
    """Read a `best_model.pt` of `faceml train` or `faceml transfer`, at a path or URI.

    Args:
        place: The file.
        opset: Version of the ONNX operator set that its graph must suit.

    Raises:
        ConfigError: The file is neither, or its preprocessing or outputs are not those of this version of
            faceml.
    """
    checkpoint, has_resize = read_state(place), opset >= RESIZE_OPSET
    if is_recognition(checkpoint):
        recognition = load_trained_recognition(checkpoint, place)
        return Exportable(
            RecognitionGraph(recognition.model, recognition.preprocessing, has_resize=has_resize).eval(),
            recognition.preprocessing,
            {},
            LANDMARK_SETS[ALIGNED_BY],
            _metadata(recognition.preprocessing, input=ALIGNED_FACE),
        )
    trained = load_trained_model(place)
    tasks = trained.tasks
    more = {"tasks": describe_tasks(tasks), **short_contract(tasks)}
    if trained.framing is not None:
        means = dict(zip(trained.framed_by.names, trained.framing.landmarks, strict=True))
        more["framing"] = {"landmarks": means, "aspect": trained.framing.aspect}
    return Exportable(
        MultitaskGraph(trained.model, trained.preprocessing, tasks, has_resize=has_resize).eval(),
        trained.preprocessing,
        tasks,
        trained.framed_by,
        _metadata(trained.preprocessing, input=FRAMED_FACE, **more),
    )


def _metadata(preprocessing: Preprocessing, **more: Any) -> dict[str, str]:
    values = {"faceml_version": faceml.__version__, "preprocessing": preprocessing.fingerprint(), **more}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
