"""`faceml synth`: folders of synthetic faces with exact landmarks, without Ray."""

import logging
import time

from rich.console import Console

from faceml.config import SynthConfig
from faceml.page import ProgressReport
from faceml.synthetic import generate_faces

logger = logging.getLogger(__name__)


def run(config: SynthConfig) -> int:
    """Generate the faces, and return their number."""
    started_s = time.monotonic()
    per_unit = config.images_per_person if config.layout == "identity" else 1
    with ProgressReport("synth", per_unit * sum(config.splits.values())) as progress:
        faces = generate_faces(
            config.output.root,
            config.layout,
            config.splits,
            images_per_person=config.images_per_person,
            image_size_px=config.image_size_px,
            jpeg_quality=config.jpeg_quality,
            seed=config.seed,
            processes=config.processes,
            on_progress=progress.advance,
        )
    seconds = time.monotonic() - started_s
    logger.info("Drew %d faces in %.1f s, %.0f images/s", faces, seconds, faces / seconds)
    return faces


def run_and_show(config: SynthConfig, _console: Console) -> None:
    """Draw the faces; there is nothing to print."""
    run(config)
