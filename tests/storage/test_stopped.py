import errno
import os
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.storage.stopped import StopNoted, StoppedError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StoppedError("the store\ngives no answer"), "the store gives no answer"),
        (ConfigError("output.table: it is not there"), "output.table: it is not there"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "[Errno 28] No space left on device"),
    ],
)
def test_stop_noted__keeps_the_message_of_what_stops_the_work(error: Exception, message: str) -> None:
    with StopNoted() as stop:
        raise error
    assert stop.message == message


def test_stop_noted__lets_mistakes_of_faceml_pass() -> None:
    with pytest.raises(KeyError), StopNoted():
        raise KeyError("a mistake")


def test_stop_noted__says_nothing_of_work_that_came_to_its_end(tmp_path: Path) -> None:
    with StopNoted() as stop:
        (tmp_path / "done").touch()
    assert stop.message is None
