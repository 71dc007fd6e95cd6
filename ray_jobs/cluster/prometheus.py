"""Metrics of a job's progress, exported to Prometheus by Ray's agent on the driver's node.

Ray prefixes the names with `ray_` and appends `_total` to those of counters. Only the driver reports metrics:
processes export them every ten seconds and when they exit normally, but workers are often killed. If Ray was
installed without its dashboard, nothing is exported, and a report takes microseconds.
"""

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ray.util.metrics import Counter, Gauge

from faceml.storage import split_place

REPEAT_S = 1.0
"""Seconds between repeated reports: Ray drops a gauge not set for 20 s, and an epoch may take longer."""


class _RunMetrics:
    """Context manager of a run's metrics, which repeats the values of gauges so that Ray keeps them.

    Args:
        run_folder: Path or URI of the run folder; its name is the value of the label `run`.
    """

    def __init__(self, run_folder: str | Path) -> None:
        self._tags = {"run": split_place(run_folder)[1]}
        self._last: dict[tuple[Gauge, tuple[tuple[str, str], ...]], float] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._repeating = threading.Thread(target=self._repeat, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._repeating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._repeating.join()

    def _set(self, gauge: Gauge, value: float, **tags: str) -> None:
        with self._lock:
            self._last[gauge, tuple(tags.items())] = value
            gauge.set(value, self._tags | tags)

    def _repeat(self) -> None:
        while not self._ending.wait(REPEAT_S):
            with self._lock:
                for (gauge, tags), value in self._last.items():
                    gauge.set(value, self._tags | dict(tags))


class ShardMetrics(_RunMetrics):
    """Metrics of a table's progress, reported by the driver after each shard.

    Args:
        job: `extract` or `predict`, the prefix of the metrics' names.
        run_folder: Path or URI of the run folder; its name is the value of the label `run`.
        to_do: Number of images without a row.
    """

    def __init__(self, job: str, run_folder: str | Path, to_do: int) -> None:
        super().__init__(run_folder)
        self._left = to_do
        self._images = _counter(f"{job}_images", "Images done, by status.", "status")
        self._shards = _counter(f"{job}_shards", "Shards written.")
        self._to_do = _gauge(f"{job}_images_to_do", "Images not yet done.")
        self._speed = _gauge(
            f"{job}_images_per_second", "Images per second of all detectors, mean since the first image."
        )
        self._detector = _gauge(
            f"{job}_seconds_per_image", "Seconds per image of a node's detector in its latest shard.", "node"
        )
        self._set(self._to_do, self._left)

    def report_shard(
        self, made: Mapping[str, int], node: str, busy_s: float, images_per_second: float
    ) -> None:
        """Report a finished shard.

        Args:
            made: Number of new rows by status.
            node: Host name of the node that made them.
            busy_s: Time of the detector for these rows, s.
            images_per_second: Mean speed of the whole job so far.
        """
        for status, count in made.items():
            self._images.inc(count, self._tags | {"status": status})
        self._shards.inc(1, self._tags)
        images = sum(made.values())
        self._left -= images
        self._set(self._to_do, self._left)
        self._set(self._speed, images_per_second)
        if images:
            self._set(self._detector, busy_s / images, node=node)


class TrainingMetrics(_RunMetrics):
    """Metrics of a training's progress, reported by the driver at logged steps and after each epoch.

    Args:
        run_folder: Path or URI of the run folder; its name is the value of the label `run`.
        score: Name of the metric that selects the best epoch.
        steps_per_epoch: Steps per epoch.
    """

    def __init__(self, run_folder: str | Path, score: str, steps_per_epoch: int) -> None:
        super().__init__(run_folder)
        self._steps_per_epoch = steps_per_epoch
        self._epoch = _gauge("train_epoch", "Current epoch, or the last one.")
        self._step = _gauge("train_step", "Steps done in the whole training.")
        self._steps = _gauge("train_steps", "Steps of the whole training.")
        self._step_loss = _gauge("train_step_loss", "Total loss of the latest logged step.")
        self._of_epoch = {
            "train/loss": _gauge("train_loss", "Total loss, mean over the latest complete epoch."),
            "train/images_per_second": _gauge(
                "train_images_per_second", "Images per second of all workers in the latest complete epoch."
            ),
            score: _gauge("train_accuracy", f"{score} after the latest complete epoch."),
        }
        self._images = _counter("train_images", "Images that a worker has trained on.", "rank", "node")
        self._waited = _counter(
            "train_waiting_seconds",
            "Seconds that a worker waited for batches or spent making them.",
            "rank",
            "node",
        )

    def report_step(self, epoch: int, step: int, total_steps: int, loss: float) -> None:
        """Report a logged step.

        Args:
            epoch: Number of the epoch, from 1.
            step: Steps done in the whole training.
            total_steps: Steps of the whole training.
            loss: Total loss of this step.
        """
        self._set(self._epoch, epoch)
        self._set(self._step, step)
        self._set(self._steps, total_steps)
        self._set(self._step_loss, loss)

    def report_worker(self, rank: int, node: str, images: int, waited_s: float) -> None:
        """Report a worker's progress since its last report.

        Args:
            rank: Rank of the worker.
            node: Host name of its node.
            images: Number of images trained on.
            waited_s: Time spent waiting for them, s.
        """
        tags = self._tags | {"rank": str(rank), "node": node}
        self._images.inc(images, tags)
        self._waited.inc(waited_s, tags)

    def report_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report the metrics of a finished epoch; those that are not finite keep their previous values."""
        self._set(self._epoch, epoch)
        self._set(self._step, epoch * self._steps_per_epoch)
        for name, gauge in self._of_epoch.items():
            if math.isfinite(metrics[name]):
                self._set(gauge, metrics[name])


def _counter(name: str, description: str, *tags: str) -> Counter:
    return Counter(f"faceml_{name}", description, ("run", *tags))


def _gauge(name: str, description: str, *tags: str) -> Gauge:
    return Gauge(f"faceml_{name}", description, ("run", *tags))
