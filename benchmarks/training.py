"""Speed of the training in comparison with the network alone, and cost of its input.

On synthetic faces of 350 px; sides run alternately, ratios are medians of pairs. The last line is one JSON
object.

- `ratio`: images/s of the training loop on files, over images/s of forward, backward and step on one prepared
  batch, in alternating blocks of five steps; `ratio_eager` and `ratio_compiled` on a GPU.
- `ratio_copies`: the same with the copies in the landmark table.
- `ratio_input_files`, `ratio_input_copies`: images/s of reading, decoding, scaling, collating and augmenting
  on one core, over images/s of `cv2.imdecode` of the same bytes.
- `ratio_ray`: images/s of `faceml train` with one worker, over the same loop without Ray.
- `ratio_ddp`: images/s of `faceml train` with one worker and thread per CPU, over one worker with all CPUs.
- `ratio_memory`: peak memory of training from a table's copies, over that with a tenth of the rows.

    python benchmarks/training.py --images 2560 --rounds 3
    python benchmarks/training.py --gpu --images 1280 --times 20
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measuring import median_ratio, run_job
from training_ceiling import (
    EPOCHS,
    Rates,
    ceiling_rates,
    loop_rate,
)
from training_faces import make_data, repeated

from faceml.config import TrainConfig, load_config, parse_config
from faceml.datasets import ClassSampler, FaceDataset, SampledBatches, build_augmentation
from faceml.runs import read_metrics
from faceml.training import build_faces, build_multitask_trainer, set_up_process

CONFIG = Path("configs/multitask_affectnet.yaml")
TIMES = 10
CPUS = os.cpu_count() or 1
GPU_SETTINGS = [
    *("model.backbone=resnet50", "data.image_size=224", "training.batch_size_per_worker=128"),
    *("training.precision=bf16", "training.channels_last=true"),
    *("scaling.use_gpu=true", f"data.loader_processes={max(1, CPUS // 2)}"),
]


def settings(data: Path, workers: int = 1) -> dict[str, Any]:
    """Return overrides of the shipped configuration: ResNet-18, 112 px, batches of 32, on CPUs."""
    return {
        "data.train.table": data / "tables" / "train",
        "data.train.images": data / "faces" / "train",
        "data.val.table": data / "tables" / "val",
        "data.val.images": data / "faces" / "val",
        "data.loader_processes": 0,
        "data.leakage.on_found": "ignore",
        "model.backbone": "resnet18",
        "model.weights": "none",
        "training.epochs": EPOCHS,
        "training.batch_size_per_worker": 32 // workers,
        "scaling.use_gpu": "false",
        "scaling.num_train_workers": workers,
        "scaling.cpus_per_worker": CPUS // workers,
    }


def train_rate(data: Path, workers: int) -> tuple[float, float]:
    """Run `faceml train`; return images/s and the seconds outside of training epochs."""
    with tempfile.TemporaryDirectory() as run:
        started_s = time.perf_counter()
        run_job("train", str(CONFIG), settings(data, workers) | {"run.folder": run})
        wall_s = time.perf_counter() - started_s
        rates = [record["train/images_per_second"] for record in read_metrics(Path(run))]
        images = len(list((data / "faces" / "train").rglob("*.jpg"))) // 32 * 32
        return statistics.median(rates[1:]), wall_s - sum(images / rate for rate in rates)


def peak_mib(config: TrainConfig) -> float:
    """Train an epoch at 32 px from the table's copies; return the peak memory of this process."""
    plain = config.model_dump(mode="json")
    plain["data"] |= {"image_size": 32, "train": plain["data"]["train"] | {"images": None}}
    with tempfile.TemporaryDirectory() as cache:  # includes the creation of the cache
        plain["data"]["cache"] = cache
        build_multitask_trainer(parse_config(TrainConfig, plain), torch.device("cpu")).fit(1, Rates())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(measure: str, data: Path, rounds: int = 1) -> Any:
    """Measure in a separate process with one thread per CPU."""
    words = ["--measure", measure, "--data", str(data), "--rounds", str(rounds)]
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # as set by `faceml`
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True, env=environment
    )
    return json.loads(done.stdout.splitlines()[-1])


def measured(measure: str, config: TrainConfig, rounds: int) -> Any:
    """Run the measurement that `alone` requests."""
    set_up_process(torch.device("cpu"), CPUS, config.data.loader_processes)
    measures: dict[str, Callable[[TrainConfig], Any]] = {
        "ceiling": partial(ceiling_rates, rounds=rounds),
        "loop": loop_rate,
        "memory": peak_mib,
    }
    return measures[measure](config)


def input_rates(config: TrainConfig, rounds: int) -> dict[str, list[float]]:
    """Measure the input on one core: decoding only, from files, from the table's copies."""
    set_up_process(torch.device("cpu"), 1, 0)
    cv2.setNumThreads(1)
    faces = build_faces(config).train
    copies = FaceDataset(config.data.train.table, None, config.data.num_landmarks, faces.preprocessing)
    augmentation = build_augmentation(config.data.augmentation)
    data = [faces.source.read(index) for index in range(len(faces))]

    def decode(images: list[bytes | None]) -> None:
        for image in images:
            assert image is not None, "benchmarks generate their images"
            cv2.imdecode(np.frombuffer(image, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)

    def feed(dataset: FaceDataset) -> None:
        sampler = ClassSampler([0] * len(dataset), "natural")
        for batch in SampledBatches(dataset, sampler, config.training.batch_size_per_worker):
            augmentation(batch.image)

    sides: dict[str, Callable[[], None]] = {
        "imdecode": lambda: decode(data),
        "files": lambda: feed(faces),
        "imdecode_copies": lambda: decode([copies.source.read(index) for index in range(len(copies))]),
        "copies": lambda: feed(copies),
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            started_s = time.perf_counter()
            run()
            rates[side].append(len(faces) / (time.perf_counter() - started_s))
    return rates


def near_the_ceiling(data: Path, config: TrainConfig, rounds: int) -> dict[str, Any]:
    """Compare the training loop with the network alone."""
    rates: dict[str, list[float]] = alone("ceiling", data, rounds)
    return {
        "ratio": median_ratio(rates["loop"], rates["bare"]),
        "ratio_copies": median_ratio(rates["copies"], rates["bare_copies"]),
        "images_per_second": rounded(rates),
    }


def fed(data: Path, config: TrainConfig, rounds: int) -> dict[str, Any]:
    """Compare the input with decoding only."""
    rates = input_rates(config, rounds)
    return {
        "ratio_input_files": median_ratio(rates["files"], rates["imdecode"]),
        "ratio_input_copies": median_ratio(rates["copies"], rates["imdecode_copies"]),
        "images_per_second_input": rounded(rates),
    }


def with_ray(data: Path, config: TrainConfig, rounds: int) -> dict[str, Any]:
    """Compare `faceml train` with one and with several workers, and the loop without Ray."""
    rates: dict[str, list[float]] = {"process": [], "ray": [], "ddp": []}
    start_s = []
    for _ in range(rounds):
        rates["process"].append(alone("loop", data))
        rate, around_s = train_rate(data, 1)
        rates["ray"].append(rate)
        start_s.append(around_s)
        rates["ddp"].append(train_rate(data, CPUS)[0])
    return {
        "ratio_ray": median_ratio(rates["ray"], rates["process"]),
        "ratio_ddp": median_ratio(rates["ddp"], rates["ray"]),
        "ray_start_and_stop_s": round(statistics.median(start_s), 1),
        "images_per_second_jobs": rounded(rates),
    }


def memory(data: Path, config: TrainConfig, rounds: int) -> dict[str, Any]:
    """Compare the peak memory with a table and with ten times its rows."""
    peaks_mib = [alone("memory", data), alone("memory", repeated(data, TIMES))]
    return {
        "ratio_memory": round(peaks_mib[1] / peaks_mib[0], 3),
        "peak_mib": [round(peak) for peak in peaks_mib],
    }


PARTS = {"ceiling": near_the_ceiling, "input": fed, "ray": with_ray, "memory": memory}


def on_gpu(config: TrainConfig, rounds: int) -> dict[str, Any]:
    """Compare the training loop with the network alone on a GPU, eager and compiled."""
    set_up_process(torch.device("cuda"), CPUS, config.data.loader_processes)
    result: dict[str, Any] = {"gpu": torch.cuda.get_device_name()}
    for name, compiled in (("eager", False), ("compiled", True)):
        training = config.training.model_copy(update={"compile": compiled})
        rates = ceiling_rates(config.model_copy(update={"training": training}), rounds)
        result |= {f"ratio_{name}": median_ratio(rates["loop"], rates["bare"])}
        result |= {f"ratio_{name}_copies": median_ratio(rates["copies"], rates["bare_copies"])}
        result[f"images_per_second_{name}"] = rounded(rates)
        print(result, flush=True)
    return result


def rounded(rates: dict[str, list[float]]) -> dict[str, list[float]]:
    """Round the rates of every round."""
    return {side: [round(rate, 1) for rate in values] for side, values in rates.items()}


def main() -> None:
    """Measure all sides alternately and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="folder of the drawn faces")
    parser.add_argument("--gpu", action="store_true", help="ResNet-50, 224 px, bf16, on the GPU")
    parser.add_argument(
        "--times", type=int, default=1, help="with --gpu: number of repetitions of the images"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    data = arguments.data or make_data(arguments.faces, arguments.images)
    data = repeated(data, arguments.times) if arguments.times > 1 else data
    chosen = settings(data) | {"run.folder": arguments.faces / "unused"}
    overrides = [f"{key}={value}" for key, value in chosen.items()]
    config = load_config(TrainConfig, CONFIG, overrides + (GPU_SETTINGS if arguments.gpu else []))
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, config, arguments.rounds)))
        return
    found = on_gpu(config, arguments.rounds) if arguments.gpu else {}
    for part in () if arguments.gpu else arguments.only:
        found |= PARTS[part](data, config, arguments.rounds)
        print(found, flush=True)
    about = {"cpus": CPUS, "images": arguments.images * arguments.times, "n": arguments.rounds}
    print(json.dumps({"name": "training", **found, **about}))


if __name__ == "__main__":
    main()
