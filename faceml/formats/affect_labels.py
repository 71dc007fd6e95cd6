"""Labels of AffectNet (Mollahosseini et al. 2017, https://arxiv.org/abs/1708.03985)."""

import re
from typing import Any

import pyarrow as pa

from faceml.formats.data_format import SPLIT
from faceml.tasks import AFFECTNET8

ANNOTATIONS = (*AFFECTNET8, "none", "uncertain", "no-face")
"""AffectNet's annotations 0 to 10; the last three are no expressions."""
NONE = -2.0
"""Valence and arousal of an image without them."""
AFFECT_COLUMNS = {
    SPLIT: pa.string(),
    "expression": pa.string(),
    "annotation": pa.string(),
    "valence": pa.float32(),
    "arousal": pa.float32(),
}

NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


def read_affect_labels(expression: str, valence: str, arousal: str) -> dict[str, Any] | str:
    """Return the labels of an image, or the reason why they are none.

    Args:
        expression: Number of the annotation.
        valence: Number from -1 to 1, or -2 for none; empty if it is not known.
        arousal: The same for the arousal.

    Returns:
        The annotation; the expression, where the annotation is one; valence and arousal, where there are any.
    """
    by_number: dict[float | None, str] = dict(enumerate(ANNOTATIONS))
    annotation = by_number.get(_number(expression))
    if annotation is None:
        return f"the expression is no number from 0 to {len(ANNOTATIONS) - 1}"
    labels: dict[str, Any] = {"annotation": annotation}
    if annotation in AFFECTNET8:
        labels["expression"] = annotation
    for name, text in (("valence", valence), ("arousal", arousal)):
        value = _number(text)
        if value is not None and -1 <= value <= 1:
            labels[name] = value
        elif text and value != NONE:
            return f"the {name} is no number from -1 to 1 nor {NONE:g}"
    return labels


def _number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) else None
