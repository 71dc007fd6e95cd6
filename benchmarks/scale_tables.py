"""Synthetic landmark tables and label tables of any number of rows, without images."""

import os
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS_OF_SHARD = 500
IMAGES_OF_PERSON = 50
SHARDS_AT_ONCE = 64
"""Shards whose random columns are drawn at once."""
MODIFIED_NS = 1_700_000_000 * 10**9


def write_table(folder: Path, rows: int, rows_of_shard: int = ROWS_OF_SHARD, seed: int = 0) -> None:
    """Write a synthetic landmark table, unless the folder has one of as many shards.

    One image in 20 has no face, one in 200 has the hash of a blank image, one in 1,000 is a near-duplicate of
    an image in every other table, and one in 1,000 a copy of another image of the table.

    Args:
        folder: Folder of the table.
        rows: Number of rows; the last shard may have fewer.
        rows_of_shard: Largest number of rows of a shard.
        seed: Seed of the random columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    num_shards = -(-rows // rows_of_shard)
    if sum(1 for _ in folder.glob("part-*.parquet")) == num_shards:
        return
    parts = range(0, num_shards, SHARDS_AT_ONCE)
    # Several processes: most of the time is spent in Python, which runs one thread at a time.
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        for _ in pool.imap_unordered(partial(_write_shards, folder, rows, rows_of_shard, seed), parts):
            pass


def _write_shards(folder: Path, rows: int, rows_of_shard: int, seed: int, first: int) -> None:
    """Write up to `SHARDS_AT_ONCE` shards, the first one given by its number."""
    start = first * rows_of_shard
    table = synthetic_rows(start, min(rows, start + SHARDS_AT_ONCE * rows_of_shard), seed)
    for number in range(-(-table.num_rows // rows_of_shard)):
        part = table.slice(number * rows_of_shard, rows_of_shard)
        file = folder / f"part-{(first + number) * 2654435761 % 2**32:08x}{first + number:08x}.parquet"
        pq.write_table(part, file, compression="zstd", use_dictionary=["folder", "status", "look"])


def synthetic_rows(start: int, stop: int, seed: int) -> pa.Table:
    """Return rows of the synthetic table, those of the images with the given numbers."""
    from faceml.tables import landmark_schema, table_metadata

    draw, count = np.random.default_rng((seed, start)), stop - start
    number = np.arange(start, stop)
    ok = number % 20 != 19
    shapes = FACE + draw.normal(0, 0.01, (count, *FACE.shape)).astype(np.float32)
    words = draw.integers(0, 2**64, (count, 4), dtype=np.uint64)
    words[number % 1000 == 500] = (number[number % 1000 == 500] // 2000)[:, None].astype(np.uint64)
    hashes = draw.integers(0, 2**64, count, dtype=np.uint64)
    common = np.random.default_rng(1).integers(0, 2**64, 100_000, dtype=np.uint64)
    near = number % 1000 == 7
    hashes[near] = common[number[near] // 1000 % len(common)] ^ np.uint64(1 << seed % 64)
    hashes[number % 200 == 3] = 0
    known = {
        "image_id": image_names(number),
        "folder": _padded(number // IMAGES_OF_PERSON, 8),
        "status": pa.array(np.where(ok, "ok", "no_face")),
        "width": pa.array(np.full(count, 250, dtype=np.int32)),
        "height": pa.array(np.full(count, 250, dtype=np.int32)),
        "num_faces": pa.array(ok.astype(np.int8)),
        "landmarks_5": _lists(shapes[:, [0, 3, 4, 6, 7]], ok),
        "landmarks_10": _lists(shapes, ok),
        "file_bytes": pa.array(file_bytes(number)),
        "modified_ns": pa.array(np.full(count, MODIFIED_NS)),
        "content_sha256": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), count, [None, pa.py_buffer(words.tobytes())]
        ),
        "dhash": pa.array(hashes),
        "look": pa.array(np.full(count, "whole"), pa.string(), mask=~ok),
    }
    angles = draw.normal([5, -10, 0], [30, 8, 10], (count, 3)).astype(np.float32)
    for name, degrees in zip(("yaw_deg", "pitch_deg", "roll_deg"), angles.T, strict=True):
        known[name] = pa.array(degrees, mask=~ok)
    detector = {"name": "synthetic", "version": "1", "model_sha256": "0" * 64}
    schema = landmark_schema(table_metadata(detector, {"second_look": True}, "0"), with_look=True)
    return pa.table([known[name] for name in schema.names], schema=schema)


FACE = np.array(
    [
        *[(0.25, 0.35), (0.42, 0.36), (0.58, 0.36), (0.75, 0.35), (0.5, 0.55)],
        *[(0.5, 0.62), (0.36, 0.76), (0.64, 0.76), (0.5, 0.71), (0.5, 0.84)],
    ],
    dtype=np.float32,
)
"""Ten landmarks of a frontal face."""


def file_bytes(number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the file sizes of images."""
    return 20_000 + number * 7919 % 30_000


def image_names(number: npt.NDArray[np.int64]) -> pa.Array:
    """Return the names of images, by their numbers."""
    return pc.binary_join_element_wise(_padded(number // IMAGES_OF_PERSON, 8), _padded(number, 12), "/")


def _padded(number: npt.NDArray[np.int64], width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(number).cast(pa.string()), width, "0")


def _lists(shapes: npt.NDArray[np.float32], ok: npt.NDArray[np.bool_]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(shapes).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, 2 * shapes.shape[1], mask=pa.array(~ok))


def write_labels(file: Path, rows: int) -> None:
    """Write a label table of the images, but for one in 100, in another order."""
    if file.is_file():
        return
    schema = pa.schema({"image_id": pa.string(), "valence": pa.float32(), "arousal": pa.float32()})
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, rows, 1 << 18):
            number = np.arange(start, min(rows, start + (1 << 18)))[::-1]
            number = number[number % 100 != 0]
            values = np.random.default_rng(start).random((2, len(number)), dtype=np.float32)
            writer.write_table(pa.table([image_names(number), *values], schema=schema))
