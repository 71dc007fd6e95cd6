"""Head pose and plausibility of the landmarks of a table, from a database that need not fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.quality.plausibility import ShapeModel
from faceml.tables import Connection, face_names

NUM_LANDMARKS = 10
"""Landmark set that is checked; the larger one reveals more errors."""
MOST_FITTED = 10_000
"""Number of faces that the model is fitted to: for 10 landmarks it has about 350 parameters."""
FACES_AT_ONCE = 1 << 13
HAS_LANDMARKS = f"landmarks_{NUM_LANDMARKS} is not null"

ANGLES = {"yaw": "to the right", "pitch": "upwards", "roll": "clockwise"}
"""Angles of head pose and their positive directions, as seen by the viewer."""
LARGEST_DISTANCE = 9999.0  # stands for infinity, which JSON cannot represent
PERCENTILES = (5, 25, 50, 75, 95)
TURNED_DEG = 30
BIN_DEG, MOST_DEG = 5, 90
EDGES_DEG = np.arange(-MOST_DEG, MOST_DEG + 1, BIN_DEG)

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class AngleSpread:
    """Distribution of one angle of head pose.

    Attributes:
        name: `yaw`, `pitch` or `roll`.
        percentiles_deg: 5th, 25th, 50th, 75th and 95th percentile.
        turned: Share of the faces beyond ±30°.
        counts: Histogram in bins of 5° from −90° to 90°; the outermost bins include larger angles.
    """

    name: str
    percentiles_deg: tuple[float, ...]
    turned: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Implausible:
    """A face by its name, and the distance of its landmarks from the expected shape, see `ShapeModel`."""

    image_id: str
    distance: float


class LandmarkQuality(NamedTuple):
    """Findings about the landmarks of a table.

    Attributes:
        faces: Number of rows with landmarks.
        pose: Distributions of yaw, pitch and roll; empty without faces.
        median_distance: Median distance of the landmarks from the expected shape.
        least_plausible: Faces with the largest distances, in descending order.
    """

    faces: int
    pose: tuple[AngleSpread, ...]
    median_distance: float
    least_plausible: tuple[Implausible, ...]


def assess_landmarks(
    database: Connection, table: str, keys: Sequence[str], least_plausible: int
) -> LandmarkQuality:
    """Assess the landmarks of a table; the model of their shape is fitted to a sample.

    Args:
        database: Database of `open_database`.
        table: Name of a table of the database with the columns `width`, `height`, `landmarks_10`, `yaw_deg`,
            `pitch_deg`, `roll_deg`, and the keys.
        keys: Columns that identify a row, see `key_columns`.
        least_plausible: Number of least plausible faces to return.
    """
    found = f"{table} where {HAS_LANDMARKS}"
    ((number,),) = database.execute(f"select count(*) from {found}").fetchall()
    if not number:
        return LandmarkQuality(0, (), 0.0, ())
    model = ShapeModel.fit(*_shapes_of(_sample(database, table, keys, -(-number // MOST_FITTED))))
    pose, farthest = _Poses(), list[pa.Table]()
    database.execute("create or replace table distances (distance double)")
    writer = database.cursor()  # a connection has one result open at a time
    for rows in _read(database, f"select * from {found}"):
        distances = model.distances(*_shapes_of(rows))
        writer.register("measured", pa.table({"distance": distances}))
        writer.execute("insert into distances from measured")
        pose.add(rows)
        if least_plausible:
            measured = rows.select(keys).append_column("distance", pa.array(distances))
            farthest = [_farthest([*farthest, measured], keys, least_plausible)]
    writer.close()
    (median,) = _percentiles(database, "distances", "distance", number, (50,))
    return LandmarkQuality(
        faces=number,
        pose=tuple(
            AngleSpread(
                name=name,
                percentiles_deg=tuple(
                    round(degrees, 2)
                    for degrees in _percentiles(database, found, f"{name}_deg", number, PERCENTILES)
                ),
                turned=pose.turned[name] / number,
                counts=tuple(pose.counts[name].tolist()),
            )
            for name in ANGLES
        ),
        median_distance=round(median, 3),
        least_plausible=tuple(implausible for rows in farthest for implausible in _named(rows)),
    )


class _Poses:
    """Histograms of the angles, and numbers of turned faces."""

    def __init__(self) -> None:
        self.counts = {name: np.zeros(len(EDGES_DEG) - 1, dtype=np.int64) for name in ANGLES}
        self.turned = dict.fromkeys(ANGLES, 0)

    def add(self, rows: pa.Table) -> None:
        for name in ANGLES:
            angles_deg = rows[f"{name}_deg"].to_numpy()
            self.turned[name] += int((np.abs(angles_deg) > TURNED_DEG).sum())
            self.counts[name] += np.histogram(np.clip(angles_deg, -MOST_DEG, MOST_DEG), EDGES_DEG)[0]


def _read(database: Connection, query: str) -> Iterator[pa.Table]:
    yield from map(pa.table, database.sql(query).to_arrow_reader(FACES_AT_ONCE))


def _sample(database: Connection, table: str, keys: Sequence[str], step: int) -> pa.Table:
    """Read every so many of the faces in the order of their keys."""
    order = ", ".join(keys)
    ranked = (
        f"select rowid as face_row, row_number() over (order by {order}) - 1 as rank "
        f"from {table} where {HAS_LANDMARKS}"
    )
    return database.sql(
        f"select * from {table} where rowid in (select face_row from ({ranked}) where rank % {step} = 0) "
        f"order by {order}"
    ).to_arrow_table()


def _shapes_of(rows: pa.Table) -> tuple[Floats, Floats]:
    """Return landmarks in px, of shape (N, L, 2), and yaw and pitch in degrees, of shape (N, 2)."""
    landmarks = rows[f"landmarks_{NUM_LANDMARKS}"].combine_chunks()
    points = landmarks.flatten().to_numpy().reshape(-1, NUM_LANDMARKS, 2)
    size_px = np.stack([rows[side].to_numpy() for side in ("width", "height")], axis=1, dtype=np.float32)
    pose_deg = np.stack([rows[name].to_numpy() for name in ("yaw_deg", "pitch_deg")], axis=1)
    return points * size_px[:, None], pose_deg


def _farthest(rows: Sequence[pa.Table], keys: Sequence[str], most: int) -> pa.Table:
    order = [("distance", "descending"), *((name, "ascending") for name in keys)]
    return pa.concat_tables(rows).sort_by(order).slice(0, most)


def _named(rows: pa.Table) -> Iterator[Implausible]:
    distances = np.minimum(rows["distance"].to_numpy(), LARGEST_DISTANCE).round(3).tolist()
    return map(Implausible, face_names(rows).to_pylist(), distances)


def _percentiles(
    database: Connection, rows: str, column: str, number: int, shares: tuple[int, ...]
) -> tuple[float, ...]:
    """Return percentiles of a column, interpolated linearly between the two nearest values."""
    places = [(number - 1) * share / 100 for share in shares]
    wanted = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, number - 1))})
    ranked = f"select {column} as value, row_number() over (order by {column}) - 1 as rank from {rows}"
    values = dict(
        database.execute(
            f"select rank, value from ({ranked}) where rank in ({', '.join(map(str, wanted))})"
        ).fetchall()
    )
    lower = [values[int(place)] for place in places]
    upper = [values[min(int(place) + 1, number - 1)] for place in places]
    # Between infinite values there is nothing to interpolate.
    return tuple(
        low + (high - low) * (place % 1) if place % 1 else low
        for low, high, place in zip(lower, upper, places, strict=True)
    )
