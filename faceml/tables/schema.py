"""Schema of the landmark table: columns, statuses and metadata."""

import json
from typing import Any, Literal, get_args

import pyarrow as pa

from faceml.config import MESH_POINTS, ConfigError
from faceml.tables.face_rows import FACE
from faceml.tables.landmark_sets import LANDMARK_SETS

SCHEMA_VERSION = 1

Status = Literal[
    "ok", "no_face", "undecodable", "empty_file", "too_large", "unreadable", "crashed", "timed_out"
]
STATUSES: tuple[Status, ...] = get_args(Status)

ID_FIELDS = (
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("folder", pa.string(), nullable=False),
)
"""Path of the image below the root, and the first folder of that path below the image's root or source."""
SOURCE_FIELD = pa.field("source", pa.string())
"""Name of the image's source, in tables of several; `image_id` begins with it."""
SIZE_FIELDS = (
    pa.field("status", pa.string(), nullable=False),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
)
"""Result of the extraction, and size of the image in px."""
FILE_FIELDS = (
    pa.field("file_bytes", pa.int64()),
    pa.field("modified_ns", pa.int64()),
    pa.field("content_sha256", pa.binary(32)),
)
"""Size, time of change and checksum of the file, to detect changed images."""


FACE_FIELDS = (
    pa.field(FACE, pa.int16()),
    pa.field("box", pa.list_(pa.float32(), 4)),
)
"""Number of the face in its image, and left, top, right and bottom of its mesh in fractions of the image."""


def landmark_column(num_landmarks: int) -> str:
    """Return the name of the column of a landmark set."""
    return f"landmarks_{num_landmarks}"


def landmark_schema(
    metadata: dict[str, str],
    *,
    with_source: bool = False,
    with_faces: bool = False,
    with_look: bool = False,
    with_rejected: bool = False,
    with_mesh: bool = False,
    with_image: bool = False,
    with_crop: bool = False,
) -> pa.Schema:
    """Return the Arrow schema of a landmark table.

    Args:
        metadata: Metadata of `table_metadata`.
        with_source: Add `source`, the name of the image's source.
        with_faces: One row per face: add `face`, its number in the image, and `box` around its mesh.
        with_look: Add `look`, the part of the image in which the face was found.
        with_rejected: Add `num_rejected`, the number of detections in the image that are no faces.
        with_mesh: Add `mesh`, all 478 points as float16 x, y, z.
        with_image: Add `image_jpeg`, a re-encoded copy for training.
        with_crop: Add `crop_box`, the part of the image that the copy shows.
    """
    fields = [
        *ID_FIELDS,
        *([SOURCE_FIELD] if with_source else []),
        *SIZE_FIELDS,
        pa.field("num_faces", pa.int16() if with_faces else pa.int8()),
        *(FACE_FIELDS if with_faces else []),
        *(pa.field(landmark_column(n), pa.list_(pa.float32(), 2 * n)) for n in LANDMARK_SETS),
        pa.field("yaw_deg", pa.float32()),
        pa.field("pitch_deg", pa.float32()),
        pa.field("roll_deg", pa.float32()),
        *FILE_FIELDS,
        pa.field("dhash", pa.uint64()),
    ]
    if with_look:
        fields.append(pa.field("look", pa.string()))
    if with_rejected:
        fields.append(pa.field("num_rejected", pa.int16()))
    if with_mesh:
        fields.append(pa.field("mesh", pa.list_(pa.float16(), MESH_POINTS * 3)))
    if with_image:
        # The 32-bit offsets of `binary` allow only 2 GiB.
        fields.append(pa.field("image_jpeg", pa.large_binary()))
    if with_crop:
        fields.append(pa.field("crop_box", pa.list_(pa.float32(), 4)))
    return pa.schema(fields, metadata=metadata)


def table_metadata(
    detector: dict[str, str], extraction: dict[str, Any], faceml_version: str
) -> dict[str, str]:
    """Return the schema metadata of a table.

    Args:
        detector: The detector's `name`, `version` and `model_sha256`.
        extraction: Settings that affect the rows, as plain YAML values.
        faceml_version: Version of faceml that writes the table.
    """
    return {
        "faceml.schema_version": str(SCHEMA_VERSION),
        "faceml.version": faceml_version,
        "faceml.landmark_sets": json.dumps(_landmark_sets_as_json(), sort_keys=True),
        "faceml.detector": json.dumps(detector, sort_keys=True),
        "faceml.extraction": json.dumps(extraction, sort_keys=True),
    }


def read_metadata(schema: pa.Schema, where: str) -> dict[str, str]:
    """Return a table's metadata after checking that it is compatible with this version of faceml.

    Args:
        schema: Arrow schema of the table.
        where: Location of the table for the error message.

    Raises:
        ConfigError: Not a table of faceml, another schema version, or other landmark sets.
    """
    raw = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if "faceml.schema_version" not in raw:
        raise ConfigError(f"{where}: not a landmark table of faceml. Create one with `faceml extract`.")
    if raw["faceml.schema_version"] != str(SCHEMA_VERSION):
        raise ConfigError(
            f"{where}: schema version {raw['faceml.schema_version']}, this faceml reads {SCHEMA_VERSION}. "
            "Extract again, or use the faceml version that wrote it: " + raw["faceml.version"]
        )
    stored, ours = json.loads(raw["faceml.landmark_sets"]), _landmark_sets_as_json()
    differing = [name for name in ours if stored.get(name) != ours[name]]
    if differing:
        raise ConfigError(
            f"{where}: the set of {' and '.join(differing)} landmarks has other points than in this version "
            "of faceml, or another order after a horizontal flip. Extract again."
        )
    return raw


def _landmark_sets_as_json() -> dict[str, Any]:
    return {
        str(number): {
            "names": list(points.names),
            "mesh_indices": [list(indices) for indices in points.mesh_indices],
            "flip_permutation": list(points.flip_permutation),
        }
        for number, points in LANDMARK_SETS.items()
    }
