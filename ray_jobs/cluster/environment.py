"""What a process is told before Ray, pyarrow and PyTorch are imported, which read it then."""

import gc
import os

# The default of 700 searches a process a hundred times while it imports, which makes objects and no garbage.
GARBAGE_COLLECTION_THRESHOLD = 50_000


def prepare_environment() -> None:
    """Set what has not been set; `ray_jobs` does so first of all, in drivers and in workers."""
    gc.set_threshold(GARBAGE_COLLECTION_THRESHOLD)
    # pyarrow's own allocators keep what they were given, which on small tables is a fifth of all memory.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if os.environ.get("RAY_ADDRESS", "local") == "local":
        # A cluster of this machine alone listens on 127.0.0.1 alone.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
