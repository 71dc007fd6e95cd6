"""Replacement of the MediaPipe detector that sleeps for a fixed time and finds a face in every image.

Sleeping processes use no core, so many of them can run on few. `write_site` makes the processes of an
extraction import this module instead of `faceml.landmarks.mediapipe_detector`.
"""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from faceml.config import MESH_POINTS
from faceml.images import RgbImage
from faceml.landmarks import FaceObservation, HeadPose

SLEEP_S = "FACEML_BENCHMARK_SLEEP_S"

SITE = """
import sys

if "faceml.extraction.extraction_server" in sys.orig_argv:
    import os

    os.environ["{variable}"] = "{sleep_s}"
    sys.path.append({here!r})
    import sleeping_detector

    sys.modules["faceml.landmarks.mediapipe_detector"] = sleeping_detector
"""


def write_site(folder: Path, sleep_s: float) -> None:
    """Write `sitecustomize.py`, which Python imports at its start if the folder is on its path.

    Args:
        folder: Folder of the module.
        sleep_s: Sleep per image of detectors that start afterwards.
    """
    here = str(Path(__file__).parent.absolute())
    text = SITE.format(variable=SLEEP_S, sleep_s=sleep_s, here=here)
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")


class MediaPipeDetector:
    """Detector with the interface of `faceml.landmarks.MediaPipeDetector` that ignores the image."""

    def __init__(self, model_path: Path, max_faces: int = 1, min_detection_confidence: float = 0.5) -> None:
        self._sleep_s = float(os.environ[SLEEP_S])
        self._random = np.random.default_rng(os.getpid())

    def __enter__(self) -> Self:
        self._face = self._random.uniform(0.3, 0.7, (MESH_POINTS, 3)).astype(np.float32)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Sleep, and return a random face: equal faces would be compressed in the table."""
        time.sleep(self._sleep_s)
        moved = self._random.standard_normal(self._face.shape, dtype=np.float32)
        yaw, pitch, roll = self._random.normal(0, 15, 3).tolist()
        return [FaceObservation(self._face + 0.01 * moved, HeadPose(yaw, pitch, roll))]
