import os
from typing import Any

import pytest

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


class WhoUnpickles:
    """Becomes the number of the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.getpid, ()


def test_event_channel__what_events_are_made_of_is_imported_by_the_receiver_alone() -> None:
    received: list[int] = []
    with EventChannel(received.append) as events:
        events.sender.send(WhoUnpickles())
    assert received == [os.getpid()]
