"""How near training is to what the network alone could do, and what feeding it costs.

On synthetic faces of 350 px, in turns; the last line is one JSON object.

- `ratio`: images/s of the training loop on files, over images/s of forward, backward and step on one batch
  that is already there.
- `ratio_copies`: the same from the copies in the landmark table.
- `ratio_input_files`, `ratio_input_copies`: images/s of reading, decoding, scaling, collating and augmenting
  on one core, over images/s of `cv2.imdecode` of the same bytes.
- `ratio_ray`: images/s of `faceml train` with one worker, over the same loop in a process without Ray.
- `ratio_ddp`: images/s of `faceml train` with a worker of one thread on each CPU, over one worker with all.
- `ratio_memory`: peak memory of training from a table's copies, over that with a tenth of the rows.

    python benchmarks/training.py --images 1280 --rounds 3
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
from pathlib import Path

import cv2
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader

from faceml.config.loading import load_config, parse_config
from faceml.config.train import TrainConfig
from faceml.datasets.augmentation import build_augmentation
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.synthetic.generate import generate_faces
from faceml.run_files import read_metrics
from faceml.schema import LANDMARK_SETS
from faceml.training.multitask import build_faces, build_trainer
from faceml.training.observer import BrokenStep, EpochRecord, StepRecord

CONFIG = Path("configs/multitask_affectnet.yaml")
IMAGE_SIZE_PX = 350
EPOCHS = 2
TIMES = 10
CPUS = os.cpu_count() or 1


class Rates:
    """An observer that keeps the images per second of every epoch."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        """Ignore it."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Keep the rate."""
        self.rates.append(record.metrics["train/images_per_second"])

    def on_broken_step(self, record: BrokenStep) -> None:
        """Ignore it."""


def settings(data: Path, workers: int = 1) -> list[str]:
    """Return the changes to the shipped configuration: ResNet-18, 112 px, batches of 32, on CPUs."""
    values = {
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
    return [f"{key}={value}" for key, value in values.items()]


def make_data(folder: Path, images: int) -> Path:
    """Draw faces and extract them, with copies in the table, unless that is done."""
    data = folder / f"training_{images}"
    if not data.is_dir():
        partial = folder / f"training_{images}.partial"
        splits = {"train": images, "val": 64}
        generate_faces(partial / "faces", "affectnet", splits, image_size_px=IMAGE_SIZE_PX)
        for split in splits:
            subprocess.run(
                [sys.executable, "-m", "ray_jobs.extract", "--config", "configs/extract_landmarks.yaml"]
                + ["--set", f"data.root={partial / 'faces' / split}"]
                + ["--set", f"output.table={partial / 'tables' / split}"]
                + ["--set", "output.embed={size: 256, quality: 95}"],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        partial.rename(data)
    return data


def loop_rate(config: TrainConfig) -> float:
    """Train without Ray; the first epoch warms up."""
    observer = Rates()
    build_trainer(config, torch.device("cpu")).fit(EPOCHS, observer)
    return statistics.median(observer.rates[1:])


def bare_rate(config: TrainConfig, steps: int = 40) -> float:
    """Do forward, backward and step on one batch again and again."""
    trainer = build_trainer(config, torch.device("cpu"))
    faces = DataLoader(build_faces(config.data).train, config.training.batch_size_per_worker)
    batch, optimizer, objective = next(iter(faces)), trainer.optimizer, trainer.objective.train()
    batch = batch._replace(image=batch.image.float() / 255)
    started_s = 0.0
    for step in range(-3, steps):
        started_s = time.perf_counter() if step == 0 else started_s
        optimizer.zero_grad(set_to_none=True)
        objective(batch).total.backward()
        optimizer.step()
    return steps * len(batch.label) / (time.perf_counter() - started_s)


def train_rate(data: Path, workers: int) -> tuple[float, float]:
    """Run `faceml train`; return images/s and the seconds that were no training."""
    with tempfile.TemporaryDirectory() as run:
        started_s = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "ray_jobs.train", "--config", str(CONFIG)]
            + [word for value in settings(data, workers) for word in ("--set", value)]
            + ["--set", f"run.folder={run}"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall_s = time.perf_counter() - started_s
        rates = [record["train/images_per_second"] for record in read_metrics(Path(run))]
        images = len(list((data / "faces" / "train").rglob("*.jpg"))) // 32 * 32
        return statistics.median(rates[1:]), wall_s - sum(images / rate for rate in rates)


def copies_rate(config: TrainConfig) -> float:
    """Train on the copies in the table instead of the files."""
    split = config.data.train.model_copy(update={"images": None})
    return loop_rate(config.model_copy(update={"data": config.data.model_copy(update={"train": split})}))


def peak_mib(config: TrainConfig) -> float:
    """Train an epoch of small pictures from the table's copies; return the peak of this process's memory."""
    plain = config.model_dump(mode="json")
    plain["data"] |= {"image_size": 32, "train": plain["data"]["train"] | {"images": None}}
    with tempfile.TemporaryDirectory() as cache:  # the copies are laid out anew, which counts
        plain["data"]["cache"] = cache
        build_trainer(parse_config(TrainConfig, plain), torch.device("cpu")).fit(1, Rates())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def repeated(data: Path, times: int) -> Path:
    """Make data whose training table has every row so many times, under other names."""
    larger = data.with_name(f"{data.name}_x{times}")
    if not larger.is_dir():
        partial = larger.with_name(f"{larger.name}.partial")
        (partial / "tables" / "train").mkdir(parents=True)
        for shard in (data / "tables" / "train").glob("*.parquet"):
            rows = pq.read_table(shard)
            for number in range(times):
                names = pc.binary_join_element_wise(rows["image_id"], f"{number}.jpg", "_")
                copy = rows.set_column(0, rows.schema.field(0), names)
                pq.write_table(copy, partial / "tables" / "train" / f"{number}_{shard.name}")
        for split in ("faces/train", "faces/val", "tables/val"):
            (partial / split).parent.mkdir(exist_ok=True)
            (partial / split).symlink_to((data / split).resolve())
        partial.rename(larger)
    return larger


MEASURES = {"loop": loop_rate, "bare": bare_rate, "copies": copies_rate, "memory": peak_mib}


def alone(measure: str, data: Path) -> float:
    """Measure in a process of its own, with as many threads as there are CPUs."""
    words = [sys.executable, __file__, "--measure", measure, "--data", str(data)]
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # as `faceml` has it
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1])


def input_rates(config: TrainConfig, rounds: int) -> dict[str, float]:
    """Measure the input on one core: bare decoding, from files, from the table's copies."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    faces = build_faces(config.data).train
    preprocessing, landmark_set = faces.preprocessing, LANDMARK_SETS[config.data.num_landmarks]
    copies = FaceDataset(config.data.train.table, None, config.data.num_landmarks, preprocessing)
    augmentation = build_augmentation(config.data.augmentation, landmark_set)
    data = [faces.read(index) for index in range(len(faces))]

    def decode(images: list[bytes]) -> None:
        for image in images:
            cv2.imdecode(np.frombuffer(image, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)

    def feed(dataset: FaceDataset) -> None:
        for batch in DataLoader(dataset, config.training.batch_size_per_worker):
            augmentation(batch.image, batch.landmarks)

    sides: dict[str, Callable[[], None]] = {
        "imdecode": lambda: decode(data),
        "files": lambda: feed(faces),
        "imdecode_copies": lambda: decode([copies.read(index) for index in range(len(copies))]),
        "copies": lambda: feed(copies),
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            started_s = time.perf_counter()
            run()
            rates[side].append(len(faces) / (time.perf_counter() - started_s))
    return {side: statistics.median(values) for side, values in rates.items()}


def main() -> None:
    """Measure in turns and compare medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="where the faces are kept")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    data = arguments.data or make_data(arguments.faces, arguments.images)
    config = load_config(TrainConfig, CONFIG, [*settings(data), f"run.folder={arguments.faces / 'unused'}"])
    if arguments.measure:
        torch.set_num_threads(CPUS)
        print(MEASURES[arguments.measure](config))
        return
    fed = input_rates(config, arguments.rounds)
    rates: dict[str, list[float]] = {"bare": [], "loop": [], "copies": [], "ray": [], "ddp": []}
    start_s = []
    for _ in range(arguments.rounds):
        rates["bare"].append(alone("bare", data))
        rates["loop"].append(alone("loop", data))
        rates["copies"].append(alone("copies", data))
        with_ray, around_s = train_rate(data, 1)
        rates["ray"].append(with_ray)
        start_s.append(around_s)
        rates["ddp"].append(train_rate(data, CPUS)[0])
        print({side: round(values[-1], 1) for side, values in rates.items()}, flush=True)
    peaks_mib = [alone("memory", data), alone("memory", repeated(data, TIMES))]
    medians = {side: statistics.median(values) for side, values in rates.items()}
    result = {
        "name": "training",
        "ratio": round(medians["loop"] / medians["bare"], 3),
        "ratio_copies": round(medians["copies"] / medians["bare"], 3),
        "ratio_input_files": round(fed["files"] / fed["imdecode"], 3),
        "ratio_input_copies": round(fed["copies"] / fed["imdecode_copies"], 3),
        "ratio_ray": round(medians["ray"] / medians["loop"], 3),
        "ratio_ddp": round(medians["ddp"] / medians["ray"], 3),
        "ratio_memory": round(peaks_mib[1] / peaks_mib[0], 3),
        "peak_mib": [round(peak) for peak in peaks_mib],
        "ray_start_and_stop_s": round(statistics.median(start_s), 1),
        "images_per_second": {
            side: round(rate, 1)
            for side, rate in (medians | {f"input_{side}": rate for side, rate in fed.items()}).items()
        },
        "cpus": CPUS,
        "images": arguments.images,
        "n": arguments.rounds,
        "spread": {side: [round(rate, 1) for rate in sorted(values)] for side, values in rates.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
