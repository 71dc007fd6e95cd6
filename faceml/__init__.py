"""faceml: from a folder of faces to landmarks, a multitask backbone and face recognition.

import faceml

predictor = faceml.load("runs/multitask_affectnet")
for image in predictor.predict(["photo.jpg"]):
    print([face.expression for face in image.faces])
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceml.prediction.predictor import FacePredictor

__version__ = "0.1.0"
__all__ = ["load"]


def load(model: str | Path, **options: Any) -> "FacePredictor":
    """Open a trained network for use.

    Args:
        model: Run folder of `faceml train`, or its `best_model.pt`; a path or URI.
        options: Of `faceml.prediction.predictor.load_predictor`.

    Raises:
        ConfigError: There is no such model, or it cannot be used; says why.
    """
    from faceml.prediction.loading import load_predictor

    return load_predictor(model, **options)
