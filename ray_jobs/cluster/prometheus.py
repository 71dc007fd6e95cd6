"""How far a job is, as Ray's metrics: the agent on the driver's node exports what it tells, for Prometheus.

Ray puts `ray_` before the names, and `_total` after those of counters. Only the driver tells: processes hand
over their figures every ten seconds and at an orderly end, which workers often do not have. Where nobody
collects them, as with a Ray that was installed without its dashboard, telling costs microseconds and comes to
nothing.
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
"""Ray drops a gauge that was not set for two of its intervals, by default 20 s; an epoch may take longer."""


class _RunMetrics:
    """Metrics of one run, whose gauges keep their values while a block runs.

    Args:
        run_folder: A path or URI; its name tells one run from another.
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
    """Progress of a table that is made shard by shard, told by its driver after each.

    Args:
        job: `extract` or `predict`, with which the names begin.
        run_folder: A path or URI; its name tells one run from another.
        to_do: Images that have no row yet.
    """

    def __init__(self, job: str, run_folder: str | Path, to_do: int) -> None:
        super().__init__(run_folder)
        self._left = to_do
        self._images = _counter(f"{job}_images", "Images done, by status.", "status")
        self._shards = _counter(f"{job}_shards", "Shards written.")
        self._to_do = _gauge(f"{job}_images_to_do", "Images that are left.")
        self._speed = _gauge(f"{job}_images_per_second", "Of all detectors, since the first image.")
        self._detector = _gauge(f"{job}_seconds_per_image", "Of a node's detector, its latest shard.", "node")
        self._set(self._to_do, self._left)

    def shard_done(self, made: Mapping[str, int], node: str, busy_s: float, images_per_second: float) -> None:
        """Tell of a shard.

        Args:
            made: Its rows that were made, by status.
            node: Host name of the node on which they were.
            busy_s: How long the detector was at them.
            images_per_second: Of the whole job so far.
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
    """Progress of a training, told by its driver at logged steps and after each epoch.

    Args:
        run_folder: A path or URI; its name tells one run from another.
        score: Name of the accuracy by which the best epoch is known.
        steps_per_epoch: Of the training.
    """

    def __init__(self, run_folder: str | Path, score: str, steps_per_epoch: int) -> None:
        super().__init__(run_folder)
        self._steps_per_epoch = steps_per_epoch
        self._epoch = _gauge("train_epoch", "Epoch at work, or the last one.")
        self._step = _gauge("train_step", "Steps done in the whole training.")
        self._steps = _gauge("train_steps", "Steps of the whole training.")
        self._step_loss = _gauge("train_step_loss", "Total loss of the step told last.")
        self._of_epoch = {
            "train/loss": _gauge("train_loss", "Total loss, mean over the last whole epoch."),
            "train/images_per_second": _gauge(
                "train_images_per_second", "Of all workers, over the last whole epoch."
            ),
            score: _gauge("train_accuracy", f"{score} after the last whole epoch."),
        }
        self._images = _counter("train_images", "Training images taken by a worker.", "rank", "node")
        self._waited = _counter(
            "train_waiting_seconds", "Until batches were there, or were made by the worker.", "rank", "node"
        )

    def step_done(self, epoch: int, step: int, total_steps: int, loss: float) -> None:
        """Tell of a logged step.

        Args:
            epoch: From 1.
            step: Steps done in the whole training.
            total_steps: Of the whole training.
            loss: Total of this step.
        """
        self._set(self._epoch, epoch)
        self._set(self._step, step)
        self._set(self._steps, total_steps)
        self._set(self._step_loss, loss)

    def worker_done(self, rank: int, node: str, images: int, waited_s: float) -> None:
        """Tell what a worker has done since the last time.

        Args:
            rank: Of the worker.
            node: Host name of its node.
            images: That it took.
            waited_s: Seconds until they were there.
        """
        tags = self._tags | {"rank": str(rank), "node": node}
        self._images.inc(images, tags)
        self._waited.inc(waited_s, tags)

    def epoch_done(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Tell of the end of an epoch; a figure without a value stays as it was."""
        self._set(self._epoch, epoch)
        self._set(self._step, epoch * self._steps_per_epoch)
        for name, gauge in self._of_epoch.items():
            if math.isfinite(metrics[name]):
                self._set(gauge, metrics[name])


def _counter(name: str, description: str, *tags: str) -> Counter:
    return Counter(f"faceml_{name}", description, ("run", *tags))


def _gauge(name: str, description: str, *tags: str) -> Gauge:
    return Gauge(f"faceml_{name}", description, ("run", *tags))
