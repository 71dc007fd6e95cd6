import errno
import os
from pathlib import Path

import pytest

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError, catch_errors, flatten_message, translate_errors
from faceml.storage.errors import REPORTABLE_ERRORS


def test_translate_errors__raises_what_the_function_returns_with_its_cause() -> None:
    error = KeyError("a key")
    with (
        pytest.raises(StoppedError, match=r"^stopped by 'a key'$") as raised,
        translate_errors((KeyError, IndexError), lambda error: StoppedError(f"stopped by {error}")),
    ):
        raise error
    assert raised.value.__cause__ is error


def test_translate_errors__can_hide_the_cause() -> None:
    with (
        pytest.raises(StoppedError) as raised,
        translate_errors(KeyError, lambda error: StoppedError("stopped"), keep_cause=False),
    ):
        raise KeyError
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_translate_errors__lets_other_errors_pass_unchanged() -> None:
    seen = list[ValueError]()
    for error in (KeyError("of another type"), ValueError("not translated"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, translate_errors(ValueError, seen.append):
            raise error
        assert raised.value is error
        assert raised.value.__cause__ is None
    assert [str(error) for error in seen] == ["not translated"]


def test_translate_errors__decorates_functions() -> None:
    @translate_errors(ZeroDivisionError, lambda error: StoppedError("division by zero"))
    def divide(by: int) -> float:
        return 6 / by

    assert divide(2) == 3
    for _ in range(2):
        with pytest.raises(StoppedError, match="division by zero"):
            divide(0)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StoppedError("the store\ngives no answer"), "the store gives no answer"),
        (ConfigError("output.table: it is not there"), "output.table: it is not there"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "[Errno 28] No space left on device"),
    ],
)
def test_catch_errors__keeps_the_error_and_its_message_on_one_line(error: Exception, message: str) -> None:
    with catch_errors(*REPORTABLE_ERRORS) as caught:
        raise error
    assert caught.error is error
    assert caught.message == message


def test_catch_errors__lets_defects_of_faceml_pass() -> None:
    with pytest.raises(KeyError), catch_errors(*REPORTABLE_ERRORS):
        raise KeyError("a mistake")


def test_catch_errors__keeps_nothing_of_a_block_that_came_to_its_end(tmp_path: Path) -> None:
    with catch_errors(*REPORTABLE_ERRORS) as caught:
        (tmp_path / "done").touch()
    assert caught.error is None
    assert caught.message is None


def test_catch_errors__keeps_the_first_error_of_several_blocks() -> None:
    caught = catch_errors(ValueError)
    for message in ("first", "second"):
        with caught:
            raise ValueError(message)
    assert str(caught.error) == "first"


def test_flatten_message__joins_lines() -> None:
    assert flatten_message(ValueError("two\n  lines")) == "two lines"
