"""Overhead of a search, and savings by ASHA, on synthetic faces.

The last line is one JSON object. The overhead of a trial is the time of the whole command without its epochs,
divided by the number of trials, which run one at a time. ASHA and a full grid search evaluate the same
settings: the grid gives the final accuracy of each, and so the regret of ASHA's choice and its share of the
epochs. Trials start from a network pretrained on other synthetic faces.

    python benchmarks/tuning.py --trials 12 --rounds 3 --seeds 3
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import medians, run_job

IMAGE_SIZE_PX = 64
TRAINED_SIZE_PX = 32
ACCURACY = "val/accuracy"


def make_faces(folder: Path, train: int, val: int, seed: int = 0) -> Path:
    """Draw the faces with their exact landmarks, unless they exist."""
    from faceml.synthetic import generate_faces

    faces = folder / f"tuning_faces_{train}_{val}_{seed}"
    if not faces.is_dir():
        partial = folder / f"tuning_faces_{train}_{val}_{seed}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        splits = {"train": train, "val": val}
        generate_faces(partial, "affectnet", splits, image_size_px=IMAGE_SIZE_PX, seed=seed)
        partial.rename(faces)
    return faces


def pretrain(faces: Path, folder: Path, epochs: int) -> Path:
    """Train on separate faces, unless the model exists, and return the model."""
    import yaml

    settings = {
        "data": {
            **{split: _split(faces, split) for split in ("train", "val")},
            "image_size": TRAINED_SIZE_PX,
            "leakage": {"on_found": "ignore"},
        },
        "model": {"backbone": "resnet18", "weights": "none"},
        "optimizer": {"name": "adamw", "learning_rate": 1e-3},
        "training": {"epochs": epochs, "batch_size_per_worker": 64},
        "scaling": {"cpus_per_worker": os.cpu_count()},
        "run": {"folder": str(folder)},
    }
    model = folder / "best_model.pt"
    if not model.is_file():
        file = folder.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "ray_jobs.train", "--config", str(file)], check=True)
    return model


def _split(faces: Path, split: str) -> dict[str, str]:
    return {"table": str(faces / "landmarks" / split), "images": str(faces / split)}


def search(
    faces: Path, folder: Path, dimensions: dict[str, Any], epochs: int, **changes: Any
) -> dict[str, Any]:
    """Run `faceml tune` and return its summary with the duration of the command."""
    import yaml

    settings = {
        "train": {
            "data": {
                **{split: _split(faces, split) for split in ("train", "val")},
                "image_size": TRAINED_SIZE_PX,
                "leakage": {"on_found": "ignore"},
                "augmentation": {"rotation_deg": 5, "translation": 0.02, "scale": [0.95, 1.05]},
            },
            "model": {"backbone": "resnet18", "weights": changes.pop("weights", "none")},
            "weighting": {"kind": "uncertainty", "learning_rate": 0.05},
            "optimizer": {"name": "adamw", "learning_rate": 1e-3, "head_multiplier": 3},
            "training": {"epochs": epochs, "batch_size_per_worker": 32},
            "run": {"folder": str(folder / "best")},
            "seed": changes.pop("train_seed", 0),
        },
        "search": dimensions,
        "searcher": {"kind": "grid"},
        "run": {"folder": str(folder)},
        **changes,
    }
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    started_s = time.time()
    run_job("tune", str(file), {})
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary | {"command_s": time.time() - started_s}


def overhead(faces: Path, work: Path, trials: int, epochs: int) -> dict[str, float]:
    """Measure a search over seeds, one trial at a time."""
    from faceml.runs import TrialFolder

    seeds = {"seed": {"kind": "grid", "values": list(range(trials))}}
    found = search(
        faces, work / "overhead", seeds, epochs, scheduler={"kind": "none"}, trial={"cpus": os.cpu_count()}
    )
    folders = [TrialFolder(path) for path in sorted((work / "overhead" / "trials").iterdir())]
    outcomes = [folder.outcome for folder in folders]
    return {
        "per_trial_s": (found["command_s"] - found["training_s"]) / trials,
        "per_trial_without_start_s": (found["wall_s"] - found["training_s"]) / trials,
        "training_per_trial_s": found["training_s"] / trials,
        "processes": float(len({outcome.worker for outcome in outcomes if outcome})),
    }


def asha_against_grid(
    faces: Path,
    weights: Path,
    work: Path,
    epochs: int,
    rates: list[float],
    seed: int,
    scheduler: dict[str, Any],
) -> dict[str, float]:
    """Run a full grid of learning rates and weightings, then ASHA with the same settings."""
    dimensions = {
        "optimizer.learning_rate": {"kind": "grid", "values": rates},
        "weighting.kind": {"kind": "grid", "values": ["fixed", "uncertainty", "dwa"]},
    }
    sides = {
        name: search(
            faces,
            work / f"{name}_{seed}",
            dimensions,
            epochs,
            scheduler=chosen,
            trial={"cpus": 1},
            train_seed=seed,
            weights=str(weights),
        )
        for name, chosen in (("grid", {"kind": "none"}), ("asha", scheduler))
    }
    reached = {str(trial["settings"]): trial["best_accuracy"] for trial in sides["grid"]["trials"]}
    spent = {name: sum(trial["epochs"] for trial in side["trials"]) for name, side in sides.items()}
    best = max(reached.values())
    return {
        "points_below_best": 100 * (best - reached[str(sides["asha"]["best"]["settings"])]),
        "share_of_epochs": spent["asha"] / spent["grid"],
        "share_of_wall_time": sides["asha"]["command_s"] / sides["grid"]["command_s"],
        "grid_best": best,
        "grid_worst": min(reached.values()),
    }


def main() -> None:
    """Measure overhead and savings, and print medians with all values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=12, help="trials of the search whose overhead is measured"
    )
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of that search")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of grid and ASHA; 0 skips both")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--rates", type=int, default=4, help="learning rates of the grid, combined with 3 weightings"
    )
    parser.add_argument("--images", type=int, default=220, help="training images")
    parser.add_argument("--val-images", type=int, default=440, help="validation images")
    parser.add_argument("--pretraining-images", type=int, default=3000)
    parser.add_argument("--pretraining-epochs", type=int, default=12)
    parser.add_argument("--faces", type=Path, default=Path("runs/bench"), help="folder of the drawn faces")
    arguments = parser.parse_args()
    arguments.faces.mkdir(parents=True, exist_ok=True)
    faces = make_faces(arguments.faces.absolute(), arguments.images, arguments.val_images)
    rates = [round(1e-4 * 10 ** (2 * n / max(1, arguments.rates - 1)), 8) for n in range(arguments.rates)]
    scheduler = {"kind": "asha"}  # with its defaults
    costs, savings = [], []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as work:
            costs.append(overhead(faces, Path(work), arguments.trials, epochs=2))
        print("overhead", {name: round(value, 2) for name, value in costs[-1].items()}, flush=True)
    weights = Path()
    if arguments.seeds:
        others = make_faces(arguments.faces.absolute(), arguments.pretraining_images, 400, seed=1)
        weights = pretrain(others, arguments.faces.absolute() / "pretrained", arguments.pretraining_epochs)
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as work:
            savings.append(
                asha_against_grid(faces, weights, Path(work), arguments.epochs, rates, seed, scheduler)
            )
        print("asha", {name: round(value, 3) for name, value in savings[-1].items()}, flush=True)
    result = {
        "name": "tuning",
        "overhead": medians(costs, 3) if costs else None,
        "asha": medians(savings, 3) if savings else None,
        "trials": arguments.trials,
        "grid": 3 * arguments.rates,
        "epochs": arguments.epochs,
        "images": arguments.images,
        "val_images": arguments.val_images,
        "cpus": os.cpu_count(),
        "n": {"overhead": len(costs), "asha": len(savings)},
        "spread": {"overhead": costs, "asha": savings},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
