"""The step from pretraining to recognition: a run's backbone in a new network."""

from collections.abc import Mapping
from typing import Any

from faceml.config.config_error import ConfigError
from faceml.models.backbone import backbone_mismatch, backbone_state
from faceml.models.recognition import FaceResNet


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
