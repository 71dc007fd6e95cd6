"""Where faceml keeps what it can get or make again."""

import os
from pathlib import Path


def user_cache() -> Path:
    """Return the folder for downloads and copies: `$FACEML_CACHE`, or `faceml` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FACEML_CACHE") or Path(base) / "faceml")
