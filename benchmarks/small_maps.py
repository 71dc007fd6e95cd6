"""Speed of training steps with convolutions of small maps as matrix products, relative to PyTorch's own.

Steps of a ResNet-18 in fp32 and channels_last on all cores, of either kind in turns. The last line is one
JSON object:

- `ratio`: images/s as matrix products over those of PyTorch's convolutions, by image size in px.
- `images_per_s`: images/s of forward, backward and optimiser step with AdamW, by image size in px.

    python benchmarks/small_maps.py
"""

import argparse
import json
import os
import time

import torch
from measuring import median_ratio, medians
from torch import Tensor
from torch.nn import functional

from faceml.models import speed_up_small_maps
from faceml.models.backbone import build_backbone
from faceml.training import set_up_process


class Training:
    """Training of a ResNet-18 with random weights, on random images."""

    def __init__(self, *, is_fast: bool) -> None:
        self._network = build_backbone("resnet18").to(memory_format=torch.channels_last)
        if is_fast:
            speed_up_small_maps(self._network)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), fused=True)

    def step(self, images: Tensor) -> None:
        """Take a step towards features of value 1."""
        features = self._network(images)
        torch.autograd.backward(functional.mse_loss(features, torch.ones_like(features)))
        self._optimizer.step()
        self._optimizer.zero_grad()


def measure(training: Training, images: Tensor, steps: int) -> float:
    """Return the images/s of some steps."""
    started_s = time.perf_counter()
    for _ in range(steps):
        training.step(images)
    return steps * len(images) / (time.perf_counter() - started_s)


def main() -> None:
    """Measure both kinds in turns, for each image size, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[32, 48, 64, 96], help="sides of images in px"
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3, help="steps of each kind in a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    set_up_process(torch.device("cpu"), os.cpu_count() or 1, 0)
    torch.manual_seed(0)
    plain, fast = Training(is_fast=False), Training(is_fast=True)
    ratio, rates = {}, {}
    for size in arguments.sizes:
        images = torch.rand(arguments.batch_size, 3, size, size).to(memory_format=torch.channels_last)
        for training in (plain, fast):
            training.step(images)
        rounds: list[dict[str, float]] = []
        for _ in range(arguments.rounds):
            rounds.append(
                {
                    "convolution": measure(plain, images, arguments.steps),
                    "matrix product": measure(fast, images, arguments.steps),
                }
            )
            print(size, rounds[-1], flush=True)
        ratio[size] = median_ratio(
            [found["matrix product"] for found in rounds], [found["convolution"] for found in rounds]
        )
        rates[size] = medians(rounds, 1)
    result = {
        "name": "small_maps",
        "ratio": ratio,
        "images_per_s": rates,
        "batch_size": arguments.batch_size,
        "cpus": os.cpu_count(),
        "n": arguments.rounds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
