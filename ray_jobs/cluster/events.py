"""Events sent from workers to the driver during a job."""

import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from faceml.errors import catch_errors
from faceml.storage import REPORTABLE_ERRORS

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5


class EventSender:
    """Send events from a worker process.

    Args:
        queue: Queue of an `EventChannel`. It carries bytes, so that its actor need not import the modules of
            the events, such as PyTorch, which would delay the first event.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def send(self, event: Any) -> None:
        """Send an event that can be pickled."""
        self._queue.put_nowait(pickle.dumps(event))


class EventChannel:
    """Context manager that passes events of worker processes, in order, to a function of the driver.

    An outage of a store or a full disk does not end it: the event and those after it wait, and are passed at
    the next attempt that succeeds. An error that is still there at the end is raised.

    Args:
        receive: Called with each event in a thread of the driver; again with the same event after an outage.

    Attributes:
        sender: Sender for the workers; it can be pickled.
    """

    def __init__(self, receive: Callable[[Any], None]) -> None:
        self._receive = receive
        self._closing = threading.Event()
        self._waiting = deque[bytes]()
        self._has_failed = False

    def __enter__(self) -> Self:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._queue = Queue(
            actor_options={"num_cpus": 0, "scheduling_strategy": here}
        )  # the queue survives the loss of any other node
        self.sender = EventSender(self._queue)
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._polling = self._executor.submit(self._poll)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._executor.shutdown()
        self._queue.shutdown()
        if kind is None:
            self._polling.result()  # raises errors of `receive`, such as a full disk

    def _poll(self) -> None:
        while not self._closing.wait(POLL_INTERVAL_S):
            with catch_errors(*REPORTABLE_ERRORS) as caught:
                self._pass_on()
            if caught.message is not None and not self._has_failed:
                logger.warning(
                    "The progress of the job could not be written. The job continues and tries again: %s",
                    caught.message,
                )
            self._has_failed = caught.error is not None
        self._pass_on()

    def _pass_on(self) -> None:
        """Pass on all events; one whose receiver fails stays the first."""
        self._waiting.extend(self._queue.get_nowait_batch(self._queue.qsize()))
        while self._waiting:
            self._receive(pickle.loads(self._waiting[0]))
            self._waiting.popleft()
