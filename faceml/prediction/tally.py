"""Counts of what was predicted, shown at the end of a job."""

import logging
from collections import Counter
from collections.abc import Iterable

logger = logging.getLogger(__name__)

MOST_NAMED = 5
SEEN = ("ok", "no_face")
"""Statuses of images that a network was shown."""


class Tally:
    """Count what was said, for people to see at the end."""

    def __init__(self) -> None:
        self.statuses = Counter[str]()
        self.expressions = Counter[str]()
        self._unseen: list[str] = []

    def add(self, image: str, status: str, expressions: Iterable[str]) -> None:
        """Count an image and its faces."""
        self.statuses[status] += 1
        self.expressions.update(expressions)
        if status not in SEEN and len(self._unseen) < MOST_NAMED:
            self._unseen.append(f"{image} ({status})")

    def log_unseen(self) -> None:
        """Name images that could not be read, decoded or looked at."""
        count = sum(n for status, n in self.statuses.items() if status not in SEEN)
        if count:
            more = ", …" if count > len(self._unseen) else ""
            logger.warning("%d images have no prediction: %s%s", count, ", ".join(self._unseen), more)
