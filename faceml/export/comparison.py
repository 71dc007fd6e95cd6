"""Comparison of exported models with PyTorch, on random images and on images of a split.

Shape letters: B images, H and W their sides, S side of the network's square, px.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from faceml.datasets import Preprocessing
from faceml.errors import StoppedError
from faceml.export.graph import FaceGraph, Images, Inference, Outputs, named_outputs
from faceml.export.split_images import SplitImages

Differences = dict[str, float]
"""Largest difference of each output, by its name."""

TOLERANCE = 1e-4
"""Largest difference allowed, relative to an output's largest value where that exceeds 1, as of angles in
degrees: float32 sums in another order differ by about 1e-6 of it."""
BATCH_SIZES = (1, 2, 5)
NUM_RANDOM_BATCHES = 4 * len(BATCH_SIZES)
PATCH_PX = 8


def random_batches(side_px: int, seed: int) -> Iterator[Images]:
    """Draw batches of 1, 2 and 5 images: smaller than the network's square, of its size, larger, oblong.

    Images are patches of one colour with noise added: noise alone would average to the same grey everywhere.

    Args:
        side_px: Side S of the square.
        seed: Seed of the random numbers.
    """
    rng = np.random.default_rng(seed)
    sizes = ((side_px, side_px), (side_px // 2 + 1, side_px - 1), (3 * side_px + 5, 2 * side_px), (17, 211))
    for height, width in sizes:
        for batch_size in BATCH_SIZES:
            patches = rng.integers(0, 256, (batch_size, height // PATCH_PX + 1, width // PATCH_PX + 1, 3))
            colors = patches.repeat(PATCH_PX, axis=1).repeat(PATCH_PX, axis=2)[:, :height, :width]
            noise = rng.integers(-20, 21, colors.shape)
            yield (colors + noise).clip(0, 255).astype(np.uint8)


class CheckedImages:
    """Batches to compare models on: random images of several sizes, then images of a split if given.

    Can be iterated several times.

    Args:
        preprocessing: Preprocessing of the model.
        seed: Seed of the random images.
        split: Split to read images from; None for random images alone.
        indices: Indices of the images in the split.
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

    def __len__(self) -> int:
        return NUM_RANDOM_BATCHES + len(self._indices)

    def __iter__(self) -> Iterator[Images]:
        """Yield batches, uint8 of shape (B, H, W, 3)."""
        yield from random_batches(self._preprocessing.image_size, self._seed)
        if self._split:
            yield from map(self._split.decoded, self._indices)

    def with_training_input(self) -> Iterator[tuple[Images, Tensor]]:
        """Yield images of the split, or random ones without a split, with the input that training makes.

        Pairs of uint8 of shape (B, H, W, 3) and uint8 of shape (B, 3, S, S).
        """
        if self._split:
            for index in self._indices:
                yield self._split.decoded(index), self._split.square(index)[None]
            return
        for images in random_batches(self._preprocessing.image_size, self._seed):
            yield images, torch.stack([self._preprocessing.resize(image) for image in images])


def largest_differences(
    expected: Inference, found: Inference, batches: Iterable[Images], *, is_relative: bool = False
) -> Differences:
    """Return the largest difference of each output over all batches.

    Args:
        expected: The reference, whose outputs are compared.
        found: The other model.
        batches: Images, iterated once.
        is_relative: Divide by the largest value of the output in a batch where that exceeds 1.

    Returns:
        Infinity where an output is missing or has another shape; NaN where either value is NaN.
    """
    largest = Differences()
    for images in batches:
        theirs = found(images)
        for name, value in expected(images).items():
            other = theirs.get(name)
            if other is None or other.shape != value.shape:
                difference = np.inf
            else:
                scale = max(1.0, float(np.abs(value).max())) if is_relative else 1.0
                difference = float(np.abs(value - other).max()) / scale
            largest[name] = float(np.maximum(largest.get(name, 0.0), difference))  # propagates NaN
    return largest


def differences_from_training(
    graph: FaceGraph, preprocessing: Preprocessing, found: Inference, checked: CheckedImages
) -> Differences:
    """Return the largest difference of each output to inputs prepared as in training.

    Training decodes large JPEGs at a reduced size and rounds resized images to whole grey levels.

    Args:
        graph: Graph whose network computes the reference.
        preprocessing: Preprocessing of the training.
        found: The model compared.
        checked: The images.
    """
    largest = dict.fromkeys(graph.outputs, 0.0)
    for images, squares in checked.with_training_input():

        def from_squares(_: Images, squares: Tensor = squares) -> Outputs:
            with torch.no_grad():
                return named_outputs(graph.outputs, graph.compute_outputs(preprocessing.normalize(squares)))

        of_batch = largest_differences(from_squares, found, [images])
        largest = {name: max(largest[name], of_batch[name]) for name in graph.outputs}
    return largest


def refuse_differences(differences: Mapping[str, float], name: str) -> None:
    """Reject an exported model whose outputs differ from PyTorch's.

    Args:
        differences: From `largest_differences`.
        name: Name of the file.

    Raises:
        StoppedError: An output differs by more than `TOLERANCE`; lists each such output.
    """
    exceeding = [
        f"{output} by {difference:.2g}"
        for output, difference in differences.items()
        if not difference <= TOLERANCE  # also true for NaN
    ]
    if exceeding or not differences:
        raise StoppedError(
            f"{name}: not written, because outputs differ from PyTorch's: {', '.join(exceeding)}; allowed is "
            f"{TOLERANCE:g}. Try another opset, or other versions of torch, onnxscript and onnxruntime."
        )
