"""Looking, before a training, whether the weights that it starts from can be had."""

from faceml.config.model import ModelConfig


def refuse_unusable_weights(config: ModelConfig) -> None:
    """Load the starting weights of a backbone, downloading them if need be.

    Raises:
        ConfigError: They cannot be had or do not fit.
    """
    if config.weights != "none":
        # Imported late: torchvision's import takes seconds, and a random start has nothing to be refused.
        from faceml.models.backbone import build_backbone_from

        build_backbone_from(config)
