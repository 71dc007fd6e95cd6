"""Limits of the process that decodes images of unknown origin."""

import subprocess
import sys
from pathlib import Path

from faceml.extraction.extractor_process import ExtractorProcess
from tests.fragile_extractor import FragileSettings
from tests.job import REPOSITORY

LIMITED = """
import resource
import numpy as np
import pytest
from faceml.extraction.extraction_server import _MemoryLimit

before = resource.getrlimit(resource.RLIMIT_DATA)
with pytest.raises(MemoryError), _MemoryLimit(64 * 2**20):
    np.ones(256 * 2**20, dtype=np.uint8)
with _MemoryLimit(64 * 2**20):
    assert np.ones(32 * 2**20, dtype=np.uint8).all()
assert resource.getrlimit(resource.RLIMIT_DATA) == before
assert np.ones(256 * 2**20, dtype=np.uint8)[-1]
"""


def test_memory_limit__more_memory_is_refused_in_the_block_and_given_after_it() -> None:
    # A process of its own: memory that others have freed in this one could be used again.
    subprocess.run([sys.executable, "-c", LIMITED], cwd=REPOSITORY, check=True, timeout=60)


def test_extractor_process__limits_the_decoder_to_the_pixels_of_its_settings(tmp_path: Path) -> None:
    with ExtractorProcess(FragileSettings(str(tmp_path), "none")) as process:
        environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    assert b"OPENCV_IO_MAX_IMAGE_PIXELS=1000000" in environment
