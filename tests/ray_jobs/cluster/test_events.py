import os
import threading
from typing import Any

import pytest

from faceml.errors import UnreachableError
from ray_jobs.cluster.events import EventChannel

pytestmark = pytest.mark.usefixtures("ray_cluster")


def test_event_channel__brings_every_event_in_order() -> None:
    received: list[int] = []
    with EventChannel(received.append) as events:
        for number in range(100):
            events.sender.send(number)
    assert received == list(range(100))


def test_event_channel__raises_what_went_wrong_in_receiving() -> None:
    def receive(event: int) -> None:
        raise OSError(f"no space left for {event}")

    with pytest.raises(OSError, match="no space left for 1"), EventChannel(receive) as events:
        events.sender.send(1)


def test_event_channel__an_outage_delays_events_and_loses_none(caplog: pytest.LogCaptureFixture) -> None:
    """The store is out for the first three attempts at event 2, long before the last event is sent."""
    received: list[int] = []
    attempts: list[int] = []
    has_all = threading.Event()

    def receive(event: int) -> None:
        attempts.append(event)
        if event == 2 and attempts.count(2) <= 3:
            raise UnreachableError("s3://bucket/runs/first: cannot be reached (timeout)")
        received.append(event)
        if event == 4:
            has_all.set()

    with EventChannel(receive) as events:
        for number in range(5):
            events.sender.send(number)
        assert has_all.wait(timeout=60), "the events come while the training runs"
    assert received == [0, 1, 2, 3, 4]
    assert [record.getMessage() for record in caplog.records] == [
        "The progress of the job could not be written. The job continues and tries again: "
        "s3://bucket/runs/first: cannot be reached (timeout)"
    ]


class WhoUnpickles:
    """Becomes the number of the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.getpid, ()


def test_event_channel__what_events_are_made_of_is_imported_by_the_receiver_alone() -> None:
    received: list[int] = []
    with EventChannel(received.append) as events:
        events.sender.send(WhoUnpickles())
    assert received == [os.getpid()]
