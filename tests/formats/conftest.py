from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

LabelsOf = Callable[[Path], dict[str, dict[str, Any]]]


@pytest.fixture
def labels_of() -> LabelsOf:
    """Return the rows of an import's label table by image, without their nulls."""

    def read(output: Path) -> dict[str, dict[str, Any]]:
        rows = pq.read_table(output / "labels.parquet").to_pylist()
        return {
            row.pop("image_id"): {name: value for name, value in row.items() if value is not None}
            for row in rows
        }

    return read
