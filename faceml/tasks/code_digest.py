"""Digest of the code of a class, by which results of earlier code are recognised."""

import hashlib
import inspect
from pathlib import Path


def code_digest(kind: type) -> str:
    """Return a SHA-256 of the source files of a class and its bases, as far as there are source files."""
    modules = [inspect.getmodule(base) for base in kind.__mro__ if base is not object]
    files = sorted({file for module in modules if (file := getattr(module, "__file__", None))})
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()
