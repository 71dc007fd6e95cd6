"""Exported graphs: preprocessing followed by the network.

Shape letters: B images, H and W their sides, S side of the network's square, px; D embedding dimensions.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.datasets import Preprocessing
from faceml.models import FaceOutputs, FaceResNet, MultitaskFaceModel
from faceml.tasks import Tasks

INPUT = "images"

Images = npt.NDArray[np.uint8]
"""uint8 RGB of shape (B, H, W, 3)."""
Outputs = dict[str, npt.NDArray[np.float32]]
"""float32 arrays of shape (B, …) by the name of the output."""
Inference = Callable[[Images], Outputs]
"""A forward pass, whatever runtime executes it."""


class FaceGraph(nn.Module):
    """Resize and normalise images, then run the network.

    The resized image keeps fractional grey levels. Training rounds them to uint8; the graph does not,
    because runtimes would round values halfway between two levels differently.

    Args:
        network: In evaluation mode.
        preprocessing: The preprocessing that the network was trained with.
        has_resize: Whether the target format has an antialiased resize operator; otherwise resizing is two
            matrix products.

    Attributes:
        outputs: Names of the tensors that `forward` returns, in order.
    """

    outputs: Sequence[str] = ()
    mean_levels: Tensor
    std_levels: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, *, has_resize: bool = True) -> None:
        super().__init__()
        self.network = network
        self._has_resize = has_resize
        self._size = (preprocessing.image_size, preprocessing.image_size)
        for name, values in (("mean_levels", preprocessing.mean), ("std_levels", preprocessing.std)):
            self.register_buffer(name, 255 * torch.tensor(values)[:, None, None], persistent=False)

    def square(self, images: Tensor) -> Tensor:
        """Turn uint8 RGB of shape (B, H, W, 3) into the network's input, float32 of shape (B, 3, S, S)."""
        # Contiguous: for channels-last strides PyTorch chooses a kernel that has no short form in ONNX.
        pixels = images.permute(0, 3, 1, 2).contiguous().to(torch.float32)
        if self._has_resize:
            scaled = functional.interpolate(pixels, self._size, mode="bilinear", antialias=True)
        else:
            rows, columns = (_resize_weights(pixels.shape[axis], self._size[0]) for axis in (2, 3))
            scaled = rows @ pixels @ columns.T
        return (scaled - self.mean_levels) / self.std_levels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs for uint8 RGB of shape (B, H, W, 3)."""
        return self.compute_outputs(self.square(images))

    @abstractmethod
    def compute_outputs(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs for normalised squares, float32 of shape (B, 3, S, S)."""


class MultitaskGraph(FaceGraph):
    """Graph of the outputs of all tasks, and `embedding`, float32 of shape (B, D).

    Points, such as `landmarks` of shape (B, L, 2), are x and y divided by W and H.

    Args:
        network: In evaluation mode.
        preprocessing: The preprocessing that the network was trained with.
        tasks: The tasks of the network.
        has_resize: See `FaceGraph`.
    """

    network: MultitaskFaceModel

    def __init__(
        self,
        network: MultitaskFaceModel,
        preprocessing: Preprocessing,
        tasks: Tasks,
        *,
        has_resize: bool = True,
    ) -> None:
        super().__init__(network, preprocessing, has_resize=has_resize)
        self._tasks = tasks
        self.outputs = (*(name for task in tasks.values() for name in task.output_shapes), "embedding")

    def compute_outputs(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs for normalised squares, float32 of shape (B, 3, S, S)."""
        predicted: FaceOutputs = self.network(squares)
        outputs = (task.outputs(predicted.tasks[name]) for name, task in self._tasks.items())
        return *(values for of_task in outputs for values in of_task.values()), predicted.embedding


class RecognitionGraph(FaceGraph):
    """Graph of recognition: `embedding`, float32 of shape (B, D), L2-normalised.

    Its input are aligned faces; alignment needs landmarks, see `faceml.images.alignment`.
    """

    outputs = ("embedding",)
    network: FaceResNet

    def compute_outputs(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Compute the embeddings of normalised squares, float32 of shape (B, 3, S, S)."""
        return (functional.normalize(self.network(squares)),)


def _resize_weights(before: int, after: int) -> Tensor:
    """Return the weights of an antialiased linear resize of one axis, float32 of shape (after, before).

    A triangle around the centre of each new pixel, as wide as the scale factor but at least one pixel.
    """
    scale = torch.full((1, 1), 1.0) * (before / after)
    centers = (torch.arange(after, dtype=torch.float32)[:, None] + 0.5) * scale
    distances = (torch.arange(before, dtype=torch.float32)[None] + 0.5 - centers).abs()
    weights = torch.relu(1 - distances / scale.clamp(min=1.0))
    return weights / weights.sum(dim=1, keepdim=True)


def named_outputs(names: Sequence[str], values: Sequence[Tensor]) -> Outputs:
    """Return output tensors as arrays by their names."""
    return {name: value.numpy() for name, value in zip(names, values, strict=True)}


def eager_inference(graph: FaceGraph) -> Inference:
    """Return the forward pass of a graph in eager PyTorch, the reference for exported files."""

    def infer(images: Images) -> Outputs:
        with torch.no_grad():
            return named_outputs(graph.outputs, graph(torch.from_numpy(images)))

    return infer
