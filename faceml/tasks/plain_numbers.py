"""Numbers as they are written to JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = 6
"""Decimal places; float32 has about seven digits."""


def rounded(values: npt.NDArray[np.floating[Any]]) -> Any:
    """Return numbers for JSON: a float, or lists of them."""
    return values.astype(np.float64).round(DIGITS).tolist()


def rounded_by_name(names: Sequence[str], values: npt.NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Return the numbers of each name, for JSON."""
    return dict(zip(names, rounded(values), strict=True))
