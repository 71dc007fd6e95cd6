"""Whether an exported model answers as the network does that it was made from.

Shape letters: B images, H and W their sides.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from faceml.errors import StoppedError
from faceml.export.graph import FaceGraph

Images = npt.NDArray[np.uint8]
"""uint8 RGB of shape (B, H, W, 3)."""
Answers = dict[str, npt.NDArray[np.float32]]
"""float32 of shape (B, …) by the name of the output."""
Answer = Callable[[Images], Answers]
Differences = dict[str, float]

TOLERANCE = 1e-4
"""Largest absolute difference of an answer: float32 sums in another order differ by about 1e-6."""


def eager(graph: FaceGraph) -> Answer:
    """Return how PyTorch answers without any export."""

    def answer(images: Images) -> Answers:
        with torch.no_grad():
            values = graph(torch.from_numpy(images))
        return {name: value.numpy() for name, value in zip(graph.outputs, values, strict=True)}

    return answer


def largest_differences(expected: Answer, found: Answer, batches: Iterable[Images]) -> Differences:
    """Return the largest absolute difference of each output, over all batches.

    Infinity where an output is missing or of another shape; NaN where either is NaN.
    """
    largest = dict[str, float]()
    for images in batches:
        theirs = found(images)
        for name, value in expected(images).items():
            other = theirs.get(name)
            if other is None or other.shape != value.shape:
                difference = np.inf
            else:
                difference = float(np.abs(value - other).max())
            largest[name] = float(np.maximum(largest.get(name, 0.0), difference))  # which hands NaN on
    return largest


def refuse_differences(differences: Mapping[str, float], name: str) -> None:
    """Refuse an export that answers otherwise than PyTorch.

    Args:
        differences: From `largest_differences`.
        name: Of the file.

    Raises:
        StoppedError: Names each output that differs, and by how much.
    """
    told = [
        f"{output} by {difference:.2g}"
        for output, difference in differences.items()
        if not difference <= TOLERANCE  # NaN is no agreement
    ]
    if told or not differences:
        raise StoppedError(
            f"{name}: is not written, because it answers otherwise than PyTorch: {', '.join(told)}; allowed "
            f"is {TOLERANCE:g}. Try another opset, or other versions of torch, onnxscript and onnxruntime."
        )
