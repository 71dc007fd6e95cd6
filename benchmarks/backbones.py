"""Size, speed and memory of backbones, each in a process of its own.

Recognition at 112 px with 1,000 people, on all cores; the backbones take turns, so that a drift of the
machine's speed affects each. The last line is one JSON object:

- `ratio`: images/s of a training step over those of the first backbone, by name.
- `parameters_m`: millions of parameters of the backbone alone, without embedding and people.
- `forward`, `step`: images/s of the forward pass in evaluation mode, and of forward, backward and optimiser
  step with AdamW.
  With `--shared`, images per second of CPU time on one thread, which other programs hardly change.
- `peak_mib`: peak memory of the training steps above the process's memory before the network is built.

    python benchmarks/backbones.py --rounds 2 --backbones resnet18 timm/mobilenetv3_small_100
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from measuring import median_ratio, medians

SIDE_PX = 112
PEOPLE = 1_000
BACKBONES = (
    "resnet18",
    "resnet50",
    "iresnet18",
    "iresnet50",
    "iresnet100",
    "timm/mobilenetv3_small_100",
    "timm/mobilenetv3_large_100",
    "timm/efficientnet_b0",
    "timm/convnext_atto",
    "timm/deit_tiny_patch16_224",
    "timm/vit_tiny_patch16_224",
)


def peak_mib() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measure(backbone: str, batch_size: int, steps: int, *, is_shared: bool) -> dict[str, float]:
    """Measure one backbone in this process."""
    import torch

    from faceml.config import ModelConfig
    from faceml.datasets import IDENTITY, AlignedPreprocessing, FaceSample, Target
    from faceml.losses import ArcFace
    from faceml.models import IdentityHead, build_face_resnet
    from faceml.training import RecognitionObjective, TrainingStep, set_up_process

    set_up_process(torch.device("cpu"), 1 if is_shared else os.cpu_count() or 1, 0)
    clock = time.process_time if is_shared else time.perf_counter
    torch.manual_seed(0)
    images = torch.rand(batch_size, 3, SIDE_PX, SIDE_PX)
    before = peak_mib()
    model = build_face_resnet(ModelConfig(backbone=backbone), SIDE_PX)
    objective = RecognitionObjective(
        model, IdentityHead(512, PEOPLE), ArcFace(), AlignedPreprocessing(SIDE_PX)
    )
    step = TrainingStep(objective, objective, torch.optim.AdamW(objective.parameters(), fused=True))
    batch = FaceSample(
        image=images,
        targets={IDENTITY: Target(torch.arange(batch_size), torch.ones(batch_size, dtype=torch.bool))},
        position=torch.arange(batch_size),
    )

    def rate(work: Callable[[], Any]) -> float:
        work()
        started_s = clock()
        for _ in range(steps):
            work()
        return steps * batch_size / (clock() - started_s)

    trained = rate(lambda: step([batch]))
    peak = peak_mib() - before
    model.eval()
    with torch.inference_mode():
        forward = rate(lambda: model(images))
    millions = sum(parameter.numel() for parameter in model.backbone.parameters()) / 1e6
    return {"parameters_m": millions, "forward": forward, "step": trained, "peak_mib": peak}


def in_own_process(backbone: str, batch_size: int, steps: int, *, is_shared: bool) -> dict[str, float]:
    """Measure one backbone in a new process."""
    command = [sys.executable, __file__, "--one", backbone]
    command += ["--batch-size", str(batch_size), "--steps", str(steps), *(["--shared"] if is_shared else [])]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def main() -> None:
    """Measure all backbones in turns and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="measured steps of each backbone in a round")
    parser.add_argument("--shared", action="store_true", help="measure on a machine that others use")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(
            json.dumps(
                measure(arguments.one, arguments.batch_size, arguments.steps, is_shared=arguments.shared)
            )
        )
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.backbones}
    for _ in range(arguments.rounds):
        for name, found in rounds.items():
            found.append(
                in_own_process(name, arguments.batch_size, arguments.steps, is_shared=arguments.shared)
            )
            print(name, {key: round(value, 1) for key, value in found[-1].items()}, flush=True)
    steps = {name: [each["step"] for each in found] for name, found in rounds.items()}
    first = steps[arguments.backbones[0]]
    spread = {
        name: round((max(rates) - min(rates)) / statistics.median(rates), 2) for name, rates in steps.items()
    }
    result = {
        "name": "backbones",
        "ratio": {name: median_ratio(rates, first) for name, rates in steps.items()},
        "backbones": {name: medians(found, 1) for name, found in rounds.items()},
        "spread": spread,
        "batch_size": arguments.batch_size,
        "cpus": 1 if arguments.shared else os.cpu_count(),
        "n": arguments.rounds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
