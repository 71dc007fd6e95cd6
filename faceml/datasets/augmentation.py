"""Random views of a training face: pixels and landmarks move together.

Shape letters: L landmarks, S side of the image, px.
"""

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from faceml.config.train import AugmentationConfig
from faceml.datasets.preprocessing import IMAGENET_MEAN
from faceml.schema import LandmarkSet

# Corners that rotation uncovers get ImageNet's mean colour, which normalisation turns into zeros.
FILL_RGB = [round(255 * channel) for channel in IMAGENET_MEAN]


class FaceAugmentation(nn.Module):
    """Mirror, rotate, shift, zoom and relight a face.

    Args:
        landmark_set: Says which points change places in a mirror.
        flip_probability: Of mirroring.
        rotation_deg: Largest rotation to either side.
        translation: Largest shift, as a fraction of S.
        scale: Smallest and largest zoom.
        brightness: Largest change of brightness, as a fraction.
        contrast: Largest change of contrast, as a fraction.
    """

    def __init__(
        self,
        landmark_set: LandmarkSet,
        flip_probability: float = 0.5,
        rotation_deg: float = 0.0,
        translation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        super().__init__()
        self.flip_probability = flip_probability
        self.register_buffer("flip_permutation", torch.tensor(landmark_set.flip_permutation))
        self.affine = v2.RandomAffine(
            degrees=rotation_deg,
            translate=(translation, translation),
            scale=scale,
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=FILL_RGB,
        )
        self.light = v2.ColorJitter(brightness=brightness, contrast=contrast)

    def forward(self, image: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return a random view.

        Args:
            image: uint8 of shape (3, S, S).
            landmarks: float32 of shape (L, 2), normalised; NaN where there are none. They may leave [0, 1].
        """
        if torch.rand(()) < self.flip_probability:
            image, landmarks = mirror(image, landmarks, self.get_buffer("flip_permutation"))
        side = image.shape[-1]
        points = tv_tensors.KeyPoints(landmarks * side, canvas_size=(side, side))
        image, points = self.affine(image, points)
        return self.light(image), points.as_subclass(Tensor) / side


def mirror(image: Tensor, landmarks: Tensor, flip_permutation: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror a face, so that the point named left is again on the viewer's left.

    Not torchvision's flip of key points: that takes coordinates for pixel indices, ours are continuous.

    Args:
        image: Of shape (3, S, S).
        landmarks: float32 of shape (L, 2), normalised.
        flip_permutation: int64 of shape (L,), from the landmark set.
    """
    mirrored = torch.stack([1.0 - landmarks[:, 0], landmarks[:, 1]], dim=1)
    return image.flip(-1), mirrored[flip_permutation]


def build_augmentation(config: AugmentationConfig, landmark_set: LandmarkSet) -> FaceAugmentation:
    """Build the augmentation of training images."""
    return FaceAugmentation(landmark_set, **config.model_dump())
