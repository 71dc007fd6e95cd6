"""Speed of training steps by precision and memory format.

Recognition by ResNet-18 with 1,000 people, on all cores. Each setting takes a few steps in turn, so that a
drift of the machine's speed affects all. The last line is one JSON object:

- `ratio`: images/s over those of fp32 without channels_last, by setting.
- `images_per_s`: images/s of forward, backward and optimiser step with AdamW, by setting.
- `auto`: precision that `training.precision: auto` chooses here.

    python benchmarks/precision.py --size 64
"""

import argparse
import json
import os
import time

import torch
from measuring import median_ratio, medians

from faceml.config import ModelConfig
from faceml.datasets import IDENTITY, AlignedPreprocessing, FaceSample, Target
from faceml.losses import ArcFace
from faceml.models import IdentityHead, build_face_resnet
from faceml.training import Precision, RecognitionObjective, TrainingStep, choose_precision, set_up_process

DEVICE = torch.device("cpu")
PEOPLE = 1_000
SETTINGS: dict[str, tuple[Precision, torch.memory_format]] = {
    "fp32": ("fp32", torch.contiguous_format),
    "fp32 channels_last": ("fp32", torch.channels_last),
    "bf16": ("bf16", torch.contiguous_format),
    "bf16 channels_last": ("bf16", torch.channels_last),
}


def build_step(precision: Precision, memory_format: torch.memory_format, size_px: int) -> TrainingStep:
    """Return the training step of a network with random weights."""
    model = build_face_resnet(ModelConfig(backbone="resnet18"), size_px)
    objective = RecognitionObjective(
        model, IdentityHead(512, PEOPLE), ArcFace(), AlignedPreprocessing(size_px)
    ).to(memory_format=memory_format)
    optimizer = torch.optim.AdamW(objective.parameters(), fused=True)
    return TrainingStep(objective, objective, optimizer, precision)


def main() -> None:
    """Measure all settings in turns and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="side of the images in px")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="steps of each setting in a round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    set_up_process(DEVICE, os.cpu_count() or 1, 0)
    torch.manual_seed(0)
    people = torch.arange(arguments.batch_size)
    batch = FaceSample(
        image=torch.rand(arguments.batch_size, 3, arguments.size, arguments.size),
        targets={IDENTITY: Target(people, torch.ones_like(people, dtype=torch.bool))},
        position=people,
    )
    steps = {name: build_step(*setting, arguments.size) for name, setting in SETTINGS.items()}
    for step in steps.values():
        step([batch])
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        found = {}
        for name, step in steps.items():
            started_s = time.perf_counter()
            for _ in range(arguments.steps):
                step([batch])
            found[name] = arguments.steps * arguments.batch_size / (time.perf_counter() - started_s)
        rounds.append(found)
        print({name: round(rate, 1) for name, rate in found.items()}, flush=True)
    fp32 = [found["fp32"] for found in rounds]
    result = {
        "name": "precision",
        "ratio": {name: median_ratio([found[name] for found in rounds], fp32) for name in SETTINGS},
        "images_per_s": medians(rounds, 1),
        "auto": choose_precision("auto", DEVICE),
        "size_px": arguments.size,
        "batch_size": arguments.batch_size,
        "cpus": os.cpu_count(),
        "n": arguments.rounds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
