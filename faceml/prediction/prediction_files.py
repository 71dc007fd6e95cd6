"""Files of predictions: JSON lines and Parquet.

Shape letters: D embedding dimensions.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from faceml.prediction.results import ImagePrediction
from faceml.storage import atomic_file
from faceml.tables import FILE_FIELDS, ID_FIELDS, SIZE_FIELDS
from faceml.tasks import Tasks, describe_tasks

ROWS_PER_GROUP = 500
TASKS_KEY = "faceml.tasks"
"""Entry of a file's metadata: the meaning of the tasks' columns as JSON, see `describe_tasks`."""


def write_predictions(
    predictions: Iterable[ImagePrediction], file: Path, tasks: Tasks, embedding_dim: int
) -> None:
    """Write a line or row for each image; the file appears only when it is complete.

    Args:
        predictions: Predictions of any number of images.
        file: Parquet if it ends in `.parquet`, else JSON lines.
        tasks: Tasks of the network.
        embedding_dim: D.
    """
    with atomic_file(file) as partial:
        if file.suffix == ".parquet":
            _write_parquet(predictions, partial, prediction_schema(tasks, embedding_dim))
        else:
            with partial.open("w", encoding="utf-8") as lines:
                write_lines(predictions, lines)


def write_lines(predictions: Iterable[ImagePrediction], lines: IO[str]) -> None:
    """Write a line with a JSON object for each image, as soon as it is predicted."""
    for prediction in predictions:
        lines.write(json.dumps(prediction.as_plain(), ensure_ascii=False) + "\n")
        lines.flush()


def prediction_schema(tasks: Tasks, embedding_dim: int) -> pa.Schema:
    """Return the schema of a Parquet file of predictions, a row with a list of faces for each image."""
    face = pa.struct(
        [
            ("box", pa.list_(pa.float32(), 4)),
            *(field for task in tasks.values() for field in task.face_fields()),
            ("yaw_deg", pa.float32()),
            ("pitch_deg", pa.float32()),
            ("roll_deg", pa.float32()),
            ("embedding", pa.list_(pa.float32(), embedding_dim)),
        ]
    )
    return pa.schema(
        [pa.field("image", pa.string(), nullable=False), *SIZE_FIELDS, ("faces", pa.list_(face))],
        {TASKS_KEY: json.dumps(describe_tasks(tasks))},
    )


def prediction_table_schema(tasks: Tasks, embedding_dim: int, metadata: dict[str, str]) -> pa.Schema:
    """Return the schema of a table of predictions, whose images are listed as in a landmark table.

    Args:
        tasks: Tasks of the network.
        embedding_dim: D.
        metadata: Metadata of `faceml.tables.schema.table_metadata`.
    """
    schema = prediction_schema(tasks, embedding_dim)
    fields = [*ID_FIELDS, *SIZE_FIELDS, schema.field("faces"), *FILE_FIELDS]
    return pa.schema(fields, {**schema.metadata, **metadata})


def named_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of faces by whose values they are counted: those of text, and of lists of text."""
    faces = schema.field("faces").type.value_type
    return [
        field.name for field in faces if pa.string() in (field.type, getattr(field.type, "value_type", None))
    ]


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
