"""Checks of the weights that a training starts from, made before it starts."""

from faceml.config import ConfigError, ModelConfig
from faceml.datasets import Preprocessing
from faceml.storage import read_tensors

COLOURS = ("color_order", "mean", "std")
"""Of a preprocessing's fingerprint, what a backbone has to find again."""


def refuse_unusable_weights(config: ModelConfig) -> None:
    """Load the starting weights of a backbone, downloading them if need be.

    Raises:
        ConfigError: They cannot be had or do not fit.
    """
    if config.weights != "none":
        # Imported late: torchvision's import takes seconds, and a random start has nothing to be refused.
        from faceml.models.backbone import build_backbone_from

        build_backbone_from(config)


def refuse_other_normalisation(config: ModelConfig, preprocessing: Preprocessing) -> None:
    """Refuse a pretrained backbone that has seen other colours than it is going to see.

    Where in the image a face is may differ: pretraining sees whole photographs, recognition aligned faces.

    Args:
        config: Its `weights` may be the `best_model.pt` of a run.
        preprocessing: Of the images to come.

    Raises:
        ConfigError: Names every difference.
    """
    if config.weights in ("none", "imagenet"):
        return
    checkpoint = read_tensors(config.weights)
    found, expected = checkpoint.get("preprocessing", {}), preprocessing.fingerprint()
    differences = [
        f"{name} {found[name]} where recognition has {expected[name]}"
        for name in COLOURS
        if name in found and found[name] != expected[name]
    ]
    if differences:
        raise ConfigError(
            f"model.weights: {config.weights} was trained with {'; '.join(differences)}. Use the faceml that "
            "it was trained with, or train it anew."
        )
