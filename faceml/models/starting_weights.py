"""Checks of initial weights before a training."""

from faceml.config import ConfigError, ModelConfig
from faceml.datasets import Preprocessing
from faceml.storage import read_tensors

COLOURS = ("color_order", "mean", "std")
"""Fields of a preprocessing's fingerprint that must equal those of the pretraining."""


def refuse_unusable_weights(config: ModelConfig) -> None:
    """Load the initial weights of a backbone once, downloading them if necessary.

    Raises:
        ConfigError: They cannot be loaded or do not match the backbone.
    """
    if config.weights != "none":
        # Imported only when needed: importing torchvision takes seconds.
        from faceml.models.backbone import build_backbone_from

        build_backbone_from(config)


def refuse_other_normalisation(config: ModelConfig, preprocessing: Preprocessing) -> None:
    """Check that a pretrained backbone was trained with the same colour order and normalisation.

    Framing may differ: pretraining uses whole photographs, recognition aligned faces.

    Args:
        config: Model whose `weights` may be the `best_model.pt` of a run.
        preprocessing: Preprocessing of the training.

    Raises:
        ConfigError: They differ; lists every difference.
    """
    if config.weights in ("none", "imagenet"):
        return
    checkpoint = read_tensors(config.weights)
    found, expected = checkpoint.get("preprocessing", {}), preprocessing.fingerprint()
    differences = [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in COLOURS
        if name in found and found[name] != expected[name]
    ]
    if differences:
        raise ConfigError(
            f"model.weights: {config.weights} was trained with {'; '.join(differences)}. Use the version of "
            "faceml that it was trained with, or retrain it."
        )
