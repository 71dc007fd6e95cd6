"""Bringing what workers say to the driver while they work."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from ray.util.queue import Queue

POLL_INTERVAL_S = 0.5


class EventChannel:
    """Hand events from worker processes to a function of the driver, in order, while a block runs.

    Args:
        receive: Called in a thread of the driver with each event.
    """

    def __init__(self, receive: Callable[[Any], None]) -> None:
        self._receive = receive
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self.queue = Queue(actor_options={"num_cpus": 0})
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._polling = self._executor.submit(self._poll)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._executor.shutdown()
        self.queue.shutdown()
        if kind is None:
            self._polling.result()  # raises what went wrong in receiving, such as a full disk

    def _poll(self) -> None:
        while not self._closing.wait(POLL_INTERVAL_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        for event in self.queue.get_nowait_batch(self.queue.qsize()):
            self._receive(event)
