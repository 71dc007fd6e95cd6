"""Networks of timm (PyTorch Image Models), an optional package that no other file imports."""

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import timm
from timm.models import group_parameters
from torch import Tensor, nn

from faceml.config import TIMM, ConfigError
from faceml.datasets import IMAGENET_MEAN, IMAGENET_STD
from faceml.errors import flatten_message, translate_errors
from faceml.models.architecture import Architecture
from faceml.models.full_memory import is_full_memory

logger = logging.getLogger(__name__)


class TimmNetwork(Architecture):
    """Networks of timm by their names there, such as `timm/mobilenetv3_small_100`, with or without a tag.

    Raises:
        ConfigError: timm has no network of this name; lists names like it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._name = name.removeprefix(TIMM)
        known = timm.list_models(pretrained="." in self._name)  # with tags: of all published weights
        if self._name not in known:
            close = get_close_matches(self._name, known, n=3)
            nearest = f"Near it are {', '.join(TIMM + each for each in close)}" if close else "It has others"
            raise ConfigError(
                f"model.backbone = {name!r}: timm {timm.__version__} has no network of this name. {nearest}; "
                "timm.list_models() returns all names."
            )
        published = timm.get_pretrained_cfg(self._name)
        self._published: dict[str, Any] = published.to_dict() if published else {}
        self.classifier = tuple(f"{each}." for each in _names(self._published.get("classifier")))
        if timm.is_model_pretrained(self._name):
            place = self._published.get("hf_hub_id") or self._published.get("url") or self._name
            self.imagenet_source = f"timm's download of {place}"

    def build(self, image_size: int) -> nn.Module:
        """Build the network; those for one size of images, such as transformers, for this size."""
        fixed = {"img_size": image_size} if self._published.get("fixed_input_size") else {}

        def translate(error: Exception) -> ConfigError | None:
            return (
                None
                if is_full_memory(error)
                else ConfigError(
                    f"data.image_size = {image_size}: {self.name} cannot be built for images of this size "
                    f"({flatten_message(error).rstrip('.')}). It is published for "
                    f"{self._published['input_size'][-1]} px."
                )
            )

        with translate_errors(Exception, translate):  # networks raise errors of any type
            backbone: nn.Module = timm.create_model(self._name, num_classes=0, **fixed)
        return backbone

    def feature_dim(self, backbone: nn.Module) -> int:
        """Return the dimension of what the network returns without a classifier."""
        dim: int = getattr(backbone, "head_hidden_size", None) or backbone.num_features  # type: ignore[assignment]
        return dim

    def stages(self, backbone: nn.Module) -> Mapping[str, Sequence[str]]:
        """Return the groups that timm gives layer-wise learning rates: the stem, then stages or blocks."""
        matcher: Any = getattr(backbone, "group_matcher", None)
        with suppress(AssertionError):  # a few have only finer groups
            groups = group_parameters(backbone, matcher(coarse=True)) if matcher else {}
            return {f"stage{number}": names for number, names in groups.items()}
        return {}

    def stem(self, backbone: nn.Module) -> nn.Conv2d | None:
        """Return the first convolution if it is the only one and has a stride of 2."""
        names = _names(self._published.get("first_conv"))
        stem = backbone.get_submodule(names[0]) if len(names) == 1 else None
        return stem if isinstance(stem, nn.Conv2d) and stem.stride == (2, 2) else None

    def read_imagenet(self) -> Mapping[str, Tensor]:
        """Return timm's pretrained weights from the cache of Hugging Face, or download them."""
        mean, std = (tuple(self._published.get(key) or ()) for key in ("mean", "std"))
        if (mean, std) != (IMAGENET_MEAN, IMAGENET_STD):
            logger.warning(
                "%s: its weights were trained with mean %s and standard deviation %s; faceml normalises with "
                "%s and %s, to which training adapts them.", self.name, mean, std, IMAGENET_MEAN, IMAGENET_STD
            )  # fmt: skip
        pretrained: nn.Module = timm.create_model(self._name, pretrained=True, num_classes=0)
        return pretrained.state_dict()

    def fit(self, state: Mapping[str, Tensor], backbone: nn.Module) -> Mapping[str, Tensor]:
        """Return a state dict as timm converts published ones, with position embeddings of other sizes."""
        convert = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)
        return state if convert is None else convert(dict(state), backbone)


def _names(found: Any) -> tuple[str, ...]:
    """Return names that timm gives as one string, several or none."""
    return (found,) if isinstance(found, str) else tuple(found or ())
