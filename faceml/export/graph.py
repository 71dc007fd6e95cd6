"""What is exported: the network with its preprocessing before it, from a decoder's pixels to answers.

Shape letters: B images, H and W their sides, S side of the network's square, px; D embedding dimensions.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.datasets import Preprocessing
from faceml.models import FaceOutputs, FaceResNet, MultitaskFaceModel

INPUT = "images"


class FaceGraph(nn.Module):
    """Scale, normalise and pass on images.

    The square keeps fractions of grey levels. Training rounds them to uint8, which a graph that is to be the
    same in every runtime must not: where a value lies between two levels, runtimes would round to either
    side, and answers would jump.

    Args:
        network: In evaluation mode.
        preprocessing: That it was trained with.

    Attributes:
        outputs: Names of what `forward` returns.
    """

    outputs: Sequence[str] = ()
    mean_levels: Tensor
    std_levels: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self._size = (preprocessing.image_size, preprocessing.image_size)
        for name, values in (("mean_levels", preprocessing.mean), ("std_levels", preprocessing.std)):
            self.register_buffer(name, 255 * torch.tensor(values)[:, None, None], persistent=False)

    def square(self, images: Tensor) -> Tensor:
        """Turn uint8 RGB of shape (B, H, W, 3) into the network's input, float32 of shape (B, 3, S, S)."""
        # Contiguous, or PyTorch takes a way for channels that lie together, which ONNX has long words for.
        pixels = images.permute(0, 3, 1, 2).contiguous().to(torch.float32)
        scaled = functional.interpolate(pixels, self._size, mode="bilinear", antialias=True)
        return (scaled - self.mean_levels) / self.std_levels

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for uint8 RGB of shape (B, H, W, 3)."""
        return self.answer(self.square(images))

    @abstractmethod
    def answer(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for normalised squares, float32 of shape (B, 3, S, S)."""


class MultitaskGraph(FaceGraph):
    """Expression and landmarks.

    Outputs are float32: `probabilities` and `logits` of shape (B, E), `landmarks` of shape (B, L, 2), x and y
    divided by W and H, `embedding` of shape (B, D).
    """

    outputs = ("probabilities", "logits", "landmarks", "embedding")
    network: MultitaskFaceModel

    def answer(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for normalised squares, float32 of shape (B, 3, S, S)."""
        answers: FaceOutputs = self.network(squares)
        return answers.logits.softmax(dim=1), answers.logits, answers.landmarks, answers.embedding


class RecognitionGraph(FaceGraph):
    """The direction of a face's embedding, of length 1: `embedding`, float32 of shape (B, D).

    Faces have to be aligned before, which takes their landmarks; see `faceml.images.alignment`.
    """

    outputs = ("embedding",)
    network: FaceResNet

    def answer(self, squares: Tensor) -> tuple[Tensor, ...]:
        """Return the embeddings of normalised squares, float32 of shape (B, 3, S, S)."""
        return (functional.normalize(self.network(squares)),)
