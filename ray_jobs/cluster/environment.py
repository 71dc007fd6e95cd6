"""Environment variables and garbage collection, set before Ray, pyarrow and PyTorch are imported."""

import atexit
import gc
import os
import sys

from faceml.images import DecodeLimits

# With the default of 700, imports trigger a hundred collections, although they create no garbage.
GARBAGE_COLLECTION_THRESHOLD = 50_000


def prepare_environment() -> None:
    """Set the variables that are unset; `ray_jobs` calls this on import, in drivers and in workers."""
    gc.set_threshold(GARBAGE_COLLECTION_THRESHOLD)
    atexit.register(_skip_last_collection)
    # pyarrow's own allocators keep freed memory: with small tables, a fifth of all memory.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # PyTorch's threads sleep while they wait for each other. By default they spin, which on cores that
    # processes share takes several times the time of the computation.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # OpenCV's own limit, beside that of faceml, which reads the size in the header.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(DecodeLimits.max_pixels))
    # Ray's own 30 s are too short for the start of a cluster on a busy machine.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")
    if os.environ.get("RAY_ADDRESS", "local") == "local":
        # A cluster of one machine listens only on 127.0.0.1.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def _skip_last_collection() -> None:
    """Leave out the search of all objects at the end of a process, which with Ray Data takes half a second.

    Not with PyTorch: the bindings of its compiler report what has not been collected.
    """
    if "torch" not in sys.modules:
        gc.freeze()
