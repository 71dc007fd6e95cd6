"""Face recognition network and the class centres of its training.

Shape letters: B images of a batch, C people, D embedding dimensions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceml.config import ModelConfig
from faceml.models.backbone import IMAGE_SIZE_PX, FaceModel, build_backbone, feature_dim
from faceml.models.backbone_weights import load_backbone_weights


class EmbeddingHead(nn.Sequential):
    """Map pooled features to the embedding: batch norm, dropout, linear, batch norm.

    The structure of Deng et al. 2019 ("ArcFace", section 3.1; "option E" of its first version), applied to
    pooled features instead of the flattened 7×7 feature map, so that any input size is possible. There is no
    ReLU, because embeddings are compared by angle and need negative components.
    """

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__(
            nn.BatchNorm1d(feature_dim),
            nn.Dropout(0.4),  # as in the authors' implementation of option E
            nn.Linear(feature_dim, embedding_dim, bias=False),  # batch norm adds the bias
            nn.BatchNorm1d(embedding_dim),
        )


class FaceResNet(FaceModel):
    """Map faces to embeddings whose angles are small between images of the same person.

    Takes a configuration, for scripts that transfer a pretrained backbone with
    `FaceResNet(config).backbone.load_state_dict(...)`. Initialisation is random and ignores `config.weights`,
    so that such scripts download nothing; `build_face_resnet` loads the initial weights.

    Args:
        config: Backbone and embedding dimension.
        image_size: Side of the images, px, for backbones whose weights depend on it.
    """

    def __init__(self, config: ModelConfig, image_size: int = IMAGE_SIZE_PX) -> None:
        super().__init__()
        self.backbone = build_backbone(config.backbone, config.stem_stride, image_size)
        self.embedding_head = EmbeddingHead(feature_dim(config.backbone, self.backbone), config.embedding_dim)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float32 of shape (B, 3, H, W), to embeddings of shape (B, D), any norm."""
        embedding: Tensor = self.embedding_head(self.backbone(images))
        return embedding


class IdentityHead(nn.Module):
    """Class centre of each person; computes the cosines to them, in float32 also under autocast.

    Has C·D parameters: 21.7 MB for the 10,575 people of CASIA-WebFace, three times that with AdamW.

    Args:
        embedding_dim: D.
        num_people: C.
    """

    def __init__(self, embedding_dim: int, num_people: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.empty(num_people, embedding_dim))
        nn.init.normal_(self.centers, std=0.01)  # as in the authors' implementation of ArcFace

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Compare embeddings of shape (B, D) with all centres.

        Returns:
            Cosines, float32 of shape (B, C), and norms of the embeddings, float32 of shape (B,).
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            directions = functional.normalize(embeddings)
            return directions @ functional.normalize(self.centers.float()).T, embeddings.norm(dim=1)


def build_face_resnet(config: ModelConfig, image_size: int = IMAGE_SIZE_PX) -> FaceResNet:
    """Build the recognition network with the initial weights of `config.weights`.

    Args:
        config: Backbone, initial weights and embedding dimension.
        image_size: Side of the images, px, for backbones whose weights depend on it.

    Raises:
        ConfigError: The initial weights cannot be loaded or do not match the backbone.
    """
    model = FaceResNet(config, image_size)
    load_backbone_weights(model.backbone, config.backbone, str(config.weights))
    return model
