"""Convolutions of maps of at most 2 × 2 as matrix products, for training on CPUs.

The last stages of a network have such maps when images are small: of 32 and 64 px, those of a ResNet-18 are
1 × 1 and 2 × 2. CPU libraries compute the gradient of their weights slowly, and multiply the zeros of the
padding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST_PX = 2
"""Side of a map that a kernel of 3 × 3 covers wherever it is placed."""


class SmallMapConv2d(nn.Conv2d):
    """Convolution with a kernel of 3 × 3 and padding 1, faster where its input is at most 2 × 2.

    It computes what `nn.Conv2d` computes. An output pixel sees the whole input, so the convolution is one
    linear map from all input pixels to all output pixels. Larger inputs, and those without gradients, are
    left to `nn.Conv2d`.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return the convolution (B, C', H', W') of features (B, C, H, W)."""
        height, width = features.shape[-2:]
        if max(height, width) > LARGEST_PX or not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(features)
        rows, columns = range(0, height, self.stride[0]), range(0, width, self.stride[1])
        # Weights of the input pixels, for each output pixel: its kernel is centred on (y, x).
        seen = [
            self.weight[:, :, 1 - y : 1 - y + height, 1 - x : 1 - x + width] for y in rows for x in columns
        ]
        matrix = torch.stack(seen, dim=1).flatten(2).flatten(0, 1)
        output = functional.linear(features.flatten(1), matrix).view(
            -1, self.out_channels, len(rows), len(columns)
        )
        return output if self.bias is None else output + self.bias.to(output.dtype)[:, None, None]


def speed_up_small_maps(network: nn.Module) -> None:
    """Make every convolution of a network that qualifies a `SmallMapConv2d`, with the same parameters.

    Qualified are those of the type `nn.Conv2d` itself with a kernel of 3 × 3, padding 1 and zeros around the
    map, without groups and dilation.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and (
            (module.kernel_size, module.padding, module.dilation, module.groups, module.padding_mode)
            == ((3, 3), (1, 1), (1, 1), 1, "zeros")
        ):
            module.__class__ = SmallMapConv2d
