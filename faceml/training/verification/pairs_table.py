"""Tables of scored pairs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.datasets import VerificationPairs
from faceml.metrics import ScoredPairs
from faceml.storage import atomic_file

COLUMNS = ("image_id", "other_image_id", "is_same", "fold", "score", "person", "other_person")
FACTS = b"faceml.scored"
"""Key of the facts in the metadata of a table."""


def write_pairs(
    scored: ScoredPairs,
    pairs: VerificationPairs,
    image_ids: Sequence[str],
    file: Path,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write scored pairs as a Parquet table with the columns `COLUMNS`, a row for each pair.

    Args:
        scored: The pairs with their scores.
        pairs: The pairs.
        image_ids: Names of the images.
        file: The file.
        facts: Plain values for the metadata of the table, which `read_facts` reads.
    """
    first, second = ([image_ids[position] for position in side] for side in pairs.images.T.tolist())
    values = (first, second, scored.same, scored.folds, scored.scores, *scored.people.T)
    columns = dict(zip(COLUMNS, values, strict=True))
    with atomic_file(file) as partial:
        metadata = None if facts is None else {FACTS: json.dumps(facts)}
        pq.write_table(pa.table(columns, metadata=metadata), partial, compression="zstd")


def read_facts(file: Path) -> dict[str, Any]:
    """Return the facts in the metadata of a table; empty without any, or without the table."""
    found = (pq.read_schema(file).metadata or {}).get(FACTS) if file.is_file() else None
    return json.loads(found) if found else {}


def read_pairs_table(file: Path | pa.BufferReader) -> ScoredPairs:
    """Read a table of `write_pairs`; people are numbered in the order of their names.

    Tables of earlier versions have no people; they are the folders of the images.
    """
    table = pq.read_table(file)
    *images, same, folds, scores = (table[column].to_numpy() for column in COLUMNS[:5])
    people = [
        table[person].to_numpy()
        if person in table.column_names
        else [name.partition("/")[0] for name in names]
        for person, names in zip(COLUMNS[5:], images, strict=True)
    ]
    _, numbers = np.unique(np.array(people), return_inverse=True)
    return ScoredPairs(scores, same, folds, numbers.reshape(2, -1).T.astype(np.int64))
