"""Pairs and how a network scores them, as a Parquet table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceml.datasets import VerificationPairs
from faceml.metrics import ScoredPairs
from faceml.storage import atomic_file

COLUMNS = ("image_id", "other_image_id", "is_same", "fold", "score")


def write_pairs(scored: ScoredPairs, pairs: VerificationPairs, image_ids: Sequence[str], file: Path) -> None:
    """Write one row for each pair: `image_id`, `other_image_id`, `is_same`, `fold`, `score`."""
    first, second = ([image_ids[position] for position in side] for side in pairs.images.T.tolist())
    columns = dict(zip(COLUMNS, (first, second, scored.same, scored.folds, scored.scores), strict=True))
    with atomic_file(file) as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")


def read_pairs_table(file: Path | pa.BufferReader) -> ScoredPairs:
    """Read what `write_pairs` wrote; people are numbered in the order of their names."""
    table = pq.read_table(file)
    names = [[name.partition("/")[0] for name in table[column].to_pylist()] for column in COLUMNS[:2]]
    _, numbers = np.unique(np.array(names), return_inverse=True)
    people = numbers.reshape(2, -1).T.astype(np.int64)
    same, folds, scores = (table[column].to_numpy() for column in COLUMNS[2:])
    return ScoredPairs(scores, same, folds, people)
