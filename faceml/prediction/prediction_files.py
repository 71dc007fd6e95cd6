"""Files of predictions: JSON lines and Parquet.

Shape letters: L landmarks, D embedding dimensions, E expressions.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.datasets import EXPRESSIONS
from faceml.prediction.results import ImagePrediction
from faceml.storage import atomic_file
from faceml.tables import FILE_FIELDS, ID_FIELDS, SIZE_FIELDS

ROWS_PER_GROUP = 500


def write_predictions(
    predictions: Iterable[ImagePrediction], file: Path, num_landmarks: int, embedding_dim: int
) -> None:
    """Write a line or row for each image; the file appears only when it is complete.

    Args:
        predictions: Predictions of any number of images.
        file: Parquet if it ends in `.parquet`, else JSON lines.
        num_landmarks: L.
        embedding_dim: D.
    """
    with atomic_file(file) as partial:
        if file.suffix == ".parquet":
            _write_parquet(predictions, partial, prediction_schema(num_landmarks, embedding_dim))
        else:
            with partial.open("w", encoding="utf-8") as lines:
                write_lines(predictions, lines)


def write_lines(predictions: Iterable[ImagePrediction], lines: IO[str]) -> None:
    """Write a line with a JSON object for each image, as soon as it is predicted."""
    for prediction in predictions:
        lines.write(json.dumps(prediction.as_plain(), ensure_ascii=False) + "\n")
        lines.flush()


def prediction_schema(num_landmarks: int, embedding_dim: int) -> pa.Schema:
    """Return the schema of a Parquet file of predictions, a row with a list of faces for each image."""
    face = pa.struct(
        [
            ("box", pa.list_(pa.float32(), 4)),
            ("expression", pa.string()),
            ("probabilities", pa.list_(pa.float32(), len(EXPRESSIONS))),
            ("landmarks", pa.list_(pa.float32(), 2 * num_landmarks)),
            ("yaw_deg", pa.float32()),
            ("pitch_deg", pa.float32()),
            ("roll_deg", pa.float32()),
            ("embedding", pa.list_(pa.float32(), embedding_dim)),
        ]
    )
    return pa.schema(
        [pa.field("image", pa.string(), nullable=False), *SIZE_FIELDS, ("faces", pa.list_(face))]
    )


def prediction_table_schema(num_landmarks: int, embedding_dim: int, metadata: dict[str, str]) -> pa.Schema:
    """Return the schema of a table of predictions, whose images are listed as in a landmark table.

    Args:
        num_landmarks: L.
        embedding_dim: D.
        metadata: Metadata of `faceml.tables.schema.table_metadata`.
    """
    faces = prediction_schema(num_landmarks, embedding_dim).field("faces")
    return pa.schema([*ID_FIELDS, *SIZE_FIELDS, faces, *FILE_FIELDS], metadata=metadata)


def _write_parquet(predictions: Iterable[ImagePrediction], file: Path, schema: pa.Schema) -> None:
    def write(rows: Sequence[dict[str, Any]]) -> None:
        writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))

    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for prediction in predictions:
            rows.append({"image": prediction.image} | prediction.as_row())
            if len(rows) == ROWS_PER_GROUP:
                write(rows)
                rows = []
        write(rows)
