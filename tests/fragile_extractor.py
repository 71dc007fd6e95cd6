"""Row extractor that fails when it is opened or at a batch."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from faceml.config.config_error import ConfigError
from faceml.extraction.row_extractor import Row, row_without_image
from faceml.storage.listing import StoredFile
from faceml.tables.schema import Status


@dataclass(frozen=True)
class FragileSettings:
    """Settings of a `FragileExtractor`; see `faceml.extraction.row_extractor.RowExtractorSettings`.

    Attributes:
        fault: Kind of failure: `open`, `die`, `hang_at_start`, `raise` or `hang`.
    """

    root: str
    fault: str
    follow_links: bool = False
    max_bytes: int = 2**20
    max_pixels: int = 10**6
    timeout_s: float = 0.3

    @contextmanager
    def open(self) -> Iterator["FragileExtractor"]:
        if self.fault == "open":
            raise ConfigError("model: there is no such file.")
        if self.fault == "die":
            os._exit(1)
        if self.fault == "hang_at_start":
            time.sleep(600)
        yield FragileExtractor(self.fault)


class FragileExtractor:
    """Row extractor that fails at every image whose name does not begin with `good`."""

    decode_s = detect_s = 0.0

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def detect(self, file: StoredFile, data: bytes | Status) -> Row:
        return row_without_image(file, data if isinstance(data, str) else "ok")

    def compute_rows(self, detections: Sequence[Row]) -> list[list[Row]]:
        if any(not row["image_id"].startswith("good") for row in detections):
            if self._fault == "raise":
                raise RuntimeError("a mistake in\nthe network")
            if self._fault == "hang":
                time.sleep(60)
        return [[row] for row in detections]
