import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
Unprivileged = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def shared_tmp() -> Iterator[Path]:
    """A folder that other users reach too, which those of pytest are not, and that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _without_privileges() -> Iterator[None]:
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def unprivileged() -> Unprivileged:
    """A context in which permissions apply, since tests may run as root."""
    return _without_privileges
