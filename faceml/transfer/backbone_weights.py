"""The step from pretraining to recognition: a run's backbone in a new network."""

from collections.abc import Mapping
from typing import Any

from faceml.config.config_error import ConfigError
from faceml.config.model import ModelConfig
from faceml.datasets.preprocessing import Preprocessing
from faceml.models.backbone import backbone_mismatch, backbone_state
from faceml.models.recognition import FaceResNet
from faceml.training.checkpoint import read_state


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
    checkpoint = read_state(config.weights)
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


COLOURS = ("color_order", "mean", "std")
"""Of a preprocessing's fingerprint, what a backbone has to find again."""


def load_pretrained_backbone(model: FaceResNet, checkpoint: Mapping[str, Any], source: str) -> int:
    """Copy the backbone of a pretraining run into a network of recognition; its embedding head stays.

    Args:
        model: Gets the weights.
        checkpoint: Content of the run's `best_model.pt`.
        source: Where the checkpoint comes from, for the error.

    Returns:
        Number of tensors copied.

    Raises:
        ConfigError: The run's backbone is of another architecture, which the error names, or incomplete.
    """
    state = backbone_state(checkpoint)
    mismatch = backbone_mismatch(model.backbone, state)
    if mismatch:
        raise ConfigError(f"{source}: {mismatch}. Take a run that was trained with this model.backbone.")
    model.backbone.load_state_dict(state)
    return len(state)
