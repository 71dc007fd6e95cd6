"""Largest images that are decoded, for processes that do not load a decoder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DecodeLimits:
    """Largest image that is decoded: bytes of the file, and pixels as declared in its header."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64 * 10**6
