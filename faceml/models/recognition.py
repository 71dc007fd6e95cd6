"""The network of face recognition: a backbone and the embedding that ArcFace compares.

Shape letters: B images of a batch, D embedding dimensions.
"""

from torch import Tensor, nn

from faceml.config import ModelConfig
from faceml.models.backbone import FaceModel, build_backbone, feature_dim, load_backbone_weights


class EmbeddingHead(nn.Sequential):
    """Map pooled features to the embedding: batch norm, dropout, linear, batch norm.

    This is the structure of Deng et al. 2019 ("ArcFace", section 3.1; "option E" of its first version), put
    on the pooled features of a ResNet instead of the flattened 7×7 map, so that the input size is free. No
    ReLU follows: identities are compared by angle, and an angle needs both signs.
    """

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__(
            nn.BatchNorm1d(feature_dim),
            nn.Dropout(0.4),  # as in the authors' implementation of option E
            nn.Linear(feature_dim, embedding_dim, bias=False),  # the norm has the bias
            nn.BatchNorm1d(embedding_dim),
        )


class FaceResNet(FaceModel):
    """Map faces to embeddings that are close in angle for one person.

    It takes a configuration where other classes take plain arguments: scripts that move a pretrained
    backbone over write `FaceResNet(config).backbone.load_state_dict(...)`. It always starts random, whatever
    `config.weights` says, so that such a script never downloads weights that it then overwrites;
    `build_face_resnet` gives it its starting weights.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.backbone = build_backbone(config.backbone, config.stem_stride)
        self.embedding_head = EmbeddingHead(feature_dim(config.backbone), config.embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float32 of shape (B, 3, H, W), to embeddings of shape (B, D), any length."""
        embedding: Tensor = self.embedding_head(self.backbone(images))
        return embedding


def build_face_resnet(config: ModelConfig) -> FaceResNet:
    """Build the network of recognition, its backbone started from `config.weights`.

    Raises:
        ConfigError: The starting weights cannot be had or do not fit.
    """
    model = FaceResNet(config)
    load_backbone_weights(model.backbone, str(config.weights))
    return model
