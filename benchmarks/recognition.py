"""Cost of recognition beside its network: input of embeddings, P×K sampling, class centres.

ResNet-18, 112 px, batches of 16 people with 4 images, and 10,575 people with 500,000 images as in
CASIA-WebFace (simulated counts, no images). Sides run alternately; the last line is one JSON object.

- `ratio_embedding`: images/s of embedding a split as in verification, mirror images included, over images/s
  of the network alone on prepared batches; `ratio_embedding_copies` from the aligned copies in the table.
- `sampler_share`: seconds of the P×K sampling of an epoch, over those of its training steps on one batch.
- `head_mib`: MiB of centres, their gradients and optimiser state, and of tensors saved for the backward pass.

    python benchmarks/recognition.py --people 32 --rounds 3
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import median_ratio, run_job
from torch.autograd.graph import saved_tensors_hooks

from faceml.config import ModelConfig
from faceml.datasets import (
    IDENTITY,
    AlignedPreprocessing,
    FaceLoader,
    FaceSample,
    PersonDataset,
    PKSampler,
    Target,
    draw_pairs,
)
from faceml.losses import ArcFace
from faceml.models import IdentityHead, build_face_resnet
from faceml.synthetic import generate_faces
from faceml.training import RecognitionObjective, TrainingStep, Verification, set_up_process

PEOPLE, IMAGES = 10_575, 500_000
PEOPLE_PER_BATCH, IMAGES_PER_PERSON = 16, 4
BATCH = PEOPLE_PER_BATCH * IMAGES_PER_PERSON
SIDE_PX = 112
STEPS = 4
DRAWN_IMAGES_PER_PERSON = 20
MODEL = ModelConfig(backbone="resnet18", weights="none", embedding_dim=512)
CPU = torch.device("cpu")


def make_people(folder: Path, people: int) -> Path:
    """Draw people and extract them with aligned copies in the table, unless the table exists."""
    data = folder / f"people_{people}"
    if not data.is_dir():
        partial = folder / f"people_{people}.partial"
        generate_faces(
            partial / "faces",
            "identity",
            {"val": people},
            images_per_person=DRAWN_IMAGES_PER_PERSON,
            image_size_px=250,
        )
        settings = {
            "data.root": partial / "faces" / "val",
            "output.table": partial / "tables" / "val",
            "output.embed": f"{{size: {SIDE_PX}, quality: 95, align: true}}",
        }
        run_job("extract", "configs/extract_landmarks.yaml", settings)
        partial.rename(data)
    return data


def seconds(work: Callable[[], Any]) -> float:
    """Return the time of one call."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def embedding(data: Path, rounds: int) -> dict[str, Any]:
    """Measure embedding from files, from copies, and of prepared batches."""
    preprocessing = AlignedPreprocessing(SIDE_PX)
    table = data / "tables" / "val"
    splits = {
        "files": PersonDataset(table, data / "faces" / "val", preprocessing),
        "copies": PersonDataset(table, None, preprocessing),
    }
    model = build_face_resnet(MODEL).eval()
    people = splits["files"].labels.numpy()
    verification = Verification(draw_pairs(people.tolist(), 200, 0), people, preprocessing, CPU)
    ready = torch.randn(BATCH, 3, SIDE_PX, SIDE_PX)
    batches = -(-len(people) // BATCH)

    @torch.no_grad()
    def bare() -> None:
        for _ in range(batches):
            model(ready) + model(ready.flip(-1))

    def embed(faces: PersonDataset) -> None:
        verification.embed(model, FaceLoader(faces, BATCH))

    for faces in splits.values():
        faces.source.prepare()
    bare()
    rates: dict[str, list[float]] = {"bare": [], "files": [], "copies": []}
    for _ in range(rounds):
        rates["bare"].append(batches * BATCH / seconds(bare))
        for side, faces in splits.items():
            rates[side].append(len(people) / seconds(partial(embed, faces)))
    return {
        "ratio_embedding": median_ratio(rates["files"], rates["bare"]),
        "ratio_embedding_copies": median_ratio(rates["copies"], rates["bare"]),
        "embeddings_per_second": {side: round(statistics.median(rate), 1) for side, rate in rates.items()},
    }


def casia_labels() -> list[int]:
    """Simulate the person of each image of CASIA-WebFace: long-tailed counts of at least two."""
    generator = np.random.default_rng(0)
    share = generator.pareto(1.5, PEOPLE) + 0.3
    counts = 2 + generator.multinomial(IMAGES - 2 * PEOPLE, share / share.sum())
    labels = np.repeat(np.arange(PEOPLE), counts)
    return list(generator.permutation(labels).tolist())


def training(rounds: int) -> dict[str, Any]:
    """Measure P×K sampling of epochs and training steps with a centre for every person, alternately."""
    labels = casia_labels()
    built_s = seconds(lambda: PKSampler(labels, PEOPLE_PER_BATCH, IMAGES_PER_PERSON))
    sampler = PKSampler(labels, PEOPLE_PER_BATCH, IMAGES_PER_PERSON)
    batches = len(sampler) // BATCH

    def draw() -> Iterator[int]:
        sampler.set_epoch(sampler.epoch + 1)
        return iter(sampler)

    steps = training_steps()
    steps()
    draw_ms: list[float] = []
    step_ms: list[float] = []
    for _ in range(rounds):
        draw_ms.append(1000 * seconds(lambda: sum(1 for _ in draw())) / batches)
        step_ms.append(1000 * seconds(steps) / STEPS)
    return {
        "sampler_share": median_ratio(draw_ms, step_ms, 6),
        "sampler_ms_per_batch": round(statistics.median(draw_ms), 4),
        "sampler_start_s": round(built_s, 2),
        "batches_per_epoch": batches,
        "step_ms": round(statistics.median(step_ms), 1),
        "head_mib": head_mib(),
    }


def training_steps() -> Callable[[], Any]:
    """Return a function that runs training steps with all people on one prepared batch."""
    torch.manual_seed(0)
    objective = RecognitionObjective(
        build_face_resnet(MODEL),
        IdentityHead(MODEL.embedding_dim, PEOPLE),
        ArcFace(),
        AlignedPreprocessing(SIDE_PX),
    )
    step = TrainingStep(objective, objective, torch.optim.AdamW(objective.parameters(), fused=True))
    batch = FaceSample(
        image=torch.rand(BATCH, 3, SIDE_PX, SIDE_PX),
        targets={IDENTITY: Target(torch.arange(BATCH), torch.ones(BATCH, dtype=torch.bool))},
        position=torch.arange(BATCH),
    )
    return lambda: [step([batch]) for _ in range(STEPS)]


def head_mib() -> dict[str, float]:
    """Return the MiB of the class centres with optimiser state, and of their saved tensors in a step."""
    head = IdentityHead(MODEL.embedding_dim, PEOPLE)
    margin = ArcFace()
    optimizer = torch.optim.AdamW(head.parameters(), fused=True)
    labels = torch.arange(BATCH)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        cosines, norms = head(torch.randn(BATCH, MODEL.embedding_dim, requires_grad=True))
        loss = torch.nn.functional.cross_entropy(margin(cosines, labels, norms), labels)
    kept.pop(head.centers.untyped_storage().data_ptr(), None)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    state = [value for state in optimizer.state.values() for value in state.values()]
    held = [head.centers, head.centers.grad, *state]
    of_held = sum(tensor.untyped_storage().nbytes() for tensor in held if tensor is not None)
    return {"held": round(of_held / 2**20, 1), "kept_by_a_step": round(sum(kept.values()) / 2**20, 1)}


def main() -> None:
    """Measure all sides alternately and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=32, help="number of people that are embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="folder of the drawn people")
    arguments = parser.parse_args()
    cpus = os.cpu_count() or 1
    set_up_process(CPU, cpus, 0)
    data = make_people(arguments.faces, arguments.people)
    found = embedding(data, arguments.rounds) | training(arguments.rounds)
    print(json.dumps({"name": "recognition", **found, "cpus": cpus, "n": arguments.rounds}))


if __name__ == "__main__":
    main()
