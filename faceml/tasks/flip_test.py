"""Flip test: the mean of a network's outputs for images and for their mirror images.

Shape letters: B images of a batch.
"""

from torch import Tensor

from faceml.models import FaceOutputs, MultitaskFaceModel
from faceml.tasks.build import Tasks


def run_flip_test(model: MultitaskFaceModel, images: Tensor, tasks: Tasks) -> FaceOutputs:
    """Return the mean outputs for images and for their mirror images, of which left and right are exchanged.

    Args:
        model: The network, in evaluation mode.
        images: Normalised images, float32 of shape (B, 3, H, W).
        tasks: The tasks of the network, by name.
    """
    own: FaceOutputs = model(images)
    mirrored: FaceOutputs = model(images.flip(-1))
    return FaceOutputs(
        {
            name: (output + tasks[name].mirror_output(mirrored.tasks[name])) / 2
            for name, output in own.tasks.items()
        },
        (own.embedding + mirrored.embedding) / 2,
    )
