"""Two stages of plain convolutions, as a backbone of another package."""

import torch

from faceml.models import Architecture

WIDTH = 32


class FlatNetwork(Architecture):
    classifier = ("classifier.",)

    def build(self, image_size):
        stages = [
            torch.nn.Sequential(
                torch.nn.Conv2d(before, WIDTH, 3, stride=2, padding=1, bias=False),
                torch.nn.BatchNorm2d(WIDTH),
                torch.nn.ReLU(),
            )
            for before in (3, WIDTH)
        ]
        return torch.nn.Sequential(*stages, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    def feature_dim(self, backbone):
        return WIDTH

    def stages(self, backbone):
        names = [name for name, _ in backbone.named_parameters()]
        return {stage: [name for name in names if name.startswith(f"{stage}.")] for stage in ("0", "1")}

    def stem(self, backbone):
        return backbone[0][0]
