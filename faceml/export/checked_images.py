"""The images on which an export is compared with what it was made from.

Shape letters: B images, H and W their sides, S side of the network's square, px.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from faceml.datasets import Preprocessing
from faceml.export.agreement import Answer, Answers, Images, largest_differences
from faceml.export.graph import FaceGraph
from faceml.export.random_images import NUM_BATCHES, random_batches
from faceml.export.split_images import SplitImages


class CheckedImages:
    """Random images of several sizes, then images of a split if there is one; may be gone through again.

    Args:
        preprocessing: Of the model.
        seed: Of the random images.
        split: None for random images alone.
        indices: Of the images of the split.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        seed: int,
        split: SplitImages | None = None,
        indices: Sequence[int] = (),
    ) -> None:
        self._preprocessing = preprocessing
        self._seed = seed
        self._split = split
        self._indices = indices

    @property
    def batches(self) -> int:
        """How many there are."""
        return NUM_BATCHES + len(self._indices)

    def __iter__(self) -> Iterator[Images]:
        """Yield batches, uint8 of shape (B, H, W, 3)."""
        yield from random_batches(self._preprocessing.image_size, self._seed)
        if self._split:
            yield from map(self._split.decoded, self._indices)

    def both_ways(self) -> "Iterator[BothWays]":
        """Yield images of the split, or random ones if there is none, with what training makes of them."""
        if self._split:
            for index in self._indices:
                yield BothWays(self._split.decoded(index), self._split.square(index)[None])
            return
        for images in random_batches(self._preprocessing.image_size, self._seed):
            squares = torch.stack([self._preprocessing.resize(image) for image in images])
            yield BothWays(images, squares)


class BothWays(NamedTuple):
    """A batch as the graph gets it, uint8 of shape (B, H, W, 3), and scaled by training, (B, 3, S, S)."""

    images: Images
    squares: Tensor


def differences_from_training(
    graph: FaceGraph, preprocessing: Preprocessing, found: Answer, checked: CheckedImages
) -> dict[str, float]:
    """Return the largest difference of each output from that to images prepared as in training.

    There large JPEGs are decoded at a reduced size, and squares are rounded to whole grey levels.

    Args:
        graph: Whose network answers.
        preprocessing: Of the training.
        found: Answers of the export.
        checked: The images.
    """
    largest = dict.fromkeys(graph.outputs, 0.0)
    for images, squares in checked.both_ways():

        def as_in_training(_: Images, squares: Tensor = squares) -> Answers:
            with torch.no_grad():
                values = graph.answer(preprocessing.normalize(squares))
            return {name: value.numpy() for name, value in zip(graph.outputs, values, strict=True)}

        of_batch = largest_differences(as_in_training, found, [images])
        largest = {name: max(largest[name], of_batch[name]) for name in graph.outputs}
    return largest
