"""How a command ends that cannot do what it was asked for."""

import logging
import sys
from types import TracebackType
from typing import Self

from faceml.config import ConfigError
from faceml.storage import StoppedError
from ray_jobs.cluster.log import writes_json

logger = logging.getLogger(__name__)


class MistakesOnOneLine:
    """End with the plain message and exit status 2 for wrong settings, 1 for work that cannot go on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ConfigError | StoppedError):
            if writes_json():
                logger.error("%s", error)
            else:
                print(error, file=sys.stderr)  # noqa: T201 - rich would wrap the line
            sys.exit(2 if isinstance(error, ConfigError) else 1)
