"""Checks of backbones and their initial weights before a training."""

from faceml.config import ConfigError, ModelConfig
from faceml.datasets import Preprocessing
from faceml.models.full_memory import FOR_TRAINING, translate_full_memory
from faceml.storage import read_tensors

SUITS_ALL_SETTINGS = ("resnet18", "resnet50")
"""Backbones that need no check without initial weights."""
COLOURS = ("color_order", "mean", "std")
"""Fields of a preprocessing's fingerprint that must equal those of the pretraining."""


@translate_full_memory(FOR_TRAINING)
def refuse_unusable_network(config: ModelConfig, image_size: int, layer_decay: float) -> None:
    """Build a backbone once, load its initial weights, downloading them if necessary, and run it.

    Args:
        config: Backbone and initial weights.
        image_size: `data.image_size` of the training.
        layer_decay: `optimizer.layer_decay` of the training.

    Raises:
        ConfigError: The backbone is unknown, or does not suit one of these settings, or its weights cannot be
            loaded or do not match it.
        FullMemoryError: There is not enough memory for the backbone.
    """
    if config.weights == "none" and config.backbone in SUITS_ALL_SETTINGS:
        return
    # Imported only when needed: importing torchvision takes seconds.
    from faceml.models.backbone import backbone_stages, refuse_unfit_images
    from faceml.models.backbone_weights import build_backbone_from

    backbone = build_backbone_from(config, image_size)
    backbone_stages(config.backbone, backbone, layer_decay)
    refuse_unfit_images(config.backbone, backbone, image_size)


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
