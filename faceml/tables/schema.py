"""The landmark table: its columns, statuses and landmark sets, the one contract between stages.

Shape letters: L landmarks of a set.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from faceml.config import ConfigError

SCHEMA_VERSION = 1
MESH_POINTS = 478

Status = Literal[
    "ok", "no_face", "undecodable", "empty_file", "too_large", "unreadable", "crashed", "timed_out"
]
STATUSES: tuple[Status, ...] = (
    "ok",
    "no_face",
    "undecodable",
    "empty_file",
    "too_large",
    "unreadable",
    "crashed",
    "timed_out",
)


@dataclass(frozen=True)
class LandmarkSet:
    """A choice of face points. "Left" is the viewer's left, as in the ArcFace five-point template.

    Attributes:
        names: One for each of the L points.
        mesh_indices: For each point the FaceMesh vertices whose mean it is.
        flip_permutation: Point i of a mirrored image is point `flip_permutation[i]` of the original.
        left_eye: Points whose mean is the centre of the left eye.
        right_eye: The same for the right eye.
    """

    names: tuple[str, ...]
    mesh_indices: tuple[tuple[int, ...], ...]
    flip_permutation: tuple[int, ...]
    left_eye: tuple[int, ...]
    right_eye: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


LANDMARK_SETS: dict[int, LandmarkSet] = {
    5: LandmarkSet(
        names=("left_eye", "right_eye", "nose_tip", "mouth_left", "mouth_right"),
        mesh_indices=((33, 133), (362, 263), (4,), (61,), (291,)),
        flip_permutation=(1, 0, 2, 4, 3),
        left_eye=(0,),
        right_eye=(1,),
    ),
    10: LandmarkSet(
        names=(
            "left_eye_left",
            "left_eye_right",
            "right_eye_left",
            "right_eye_right",
            "nose_tip",
            "nose_bottom",
            "mouth_left",
            "mouth_right",
            "mouth_top",
            "mouth_bottom",
        ),
        mesh_indices=((33,), (133,), (362,), (263,), (4,), (2,), (61,), (291,), (0,), (17,)),
        flip_permutation=(3, 2, 1, 0, 4, 5, 7, 6, 8, 9),
        left_eye=(0, 1),
        right_eye=(2, 3),
    ),
}


ID_FIELDS = (
    pa.field("image_id", pa.string(), nullable=False),
    pa.field("folder", pa.string(), nullable=False),
)
"""Which image a row is of: its path below the root, and the first folder of that."""
SIZE_FIELDS = (
    pa.field("status", pa.string(), nullable=False),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
)
"""What became of the image, and its size in px."""
FILE_FIELDS = (
    pa.field("file_bytes", pa.int64()),
    pa.field("modified_ns", pa.int64()),
    pa.field("content_sha256", pa.binary(32)),
)
"""By which a change of the image is noticed."""


def landmark_column(num_landmarks: int) -> str:
    """Name the column that holds the set of `num_landmarks` points."""
    return f"landmarks_{num_landmarks}"


def landmark_schema(
    metadata: dict[str, str],
    *,
    with_mesh: bool = False,
    with_image: bool = False,
    with_crop: bool = False,
) -> pa.Schema:
    """Return the Arrow schema of a landmark table.

    Args:
        metadata: From `table_metadata`.
        with_mesh: Add `mesh`, all 478 points as float16 x, y, z.
        with_image: Add `image_jpeg`, a re-encoded copy for training.
        with_crop: Add `crop_box`, which part of the image the copy shows.
    """
    fields = [
        *ID_FIELDS,
        *SIZE_FIELDS,
        pa.field("num_faces", pa.int8()),
        *(pa.field(landmark_column(n), pa.list_(pa.float32(), 2 * n)) for n in LANDMARK_SETS),
        pa.field("yaw_deg", pa.float32()),
        pa.field("pitch_deg", pa.float32()),
        pa.field("roll_deg", pa.float32()),
        *FILE_FIELDS,
        pa.field("dhash", pa.uint64()),
    ]
    if with_mesh:
        fields.append(pa.field("mesh", pa.list_(pa.float16(), MESH_POINTS * 3)))
    if with_image:
        # The 32-bit offsets of `binary` end at 2 GiB of images.
        fields.append(pa.field("image_jpeg", pa.large_binary()))
    if with_crop:
        fields.append(pa.field("crop_box", pa.list_(pa.float32(), 4)))
    return pa.schema(fields, metadata=metadata)


def crop_landmarks(points: npt.NDArray[np.floating], box: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """Normalise landmarks to a crop instead of the whole image.

    Args:
        points: Of shape (..., 2), fractions of the image's width and height.
        box: Of shape (..., 4) or (4,): the crop's x0, y0, x1, y1 as such fractions; it may reach beyond the
            image.

    Returns:
        Of shape (..., 2), fractions of the crop's width and height.
    """
    box = np.asarray(box)
    return np.asarray((points - box[..., :2]) / (box[..., 2:] - box[..., :2]))


def table_metadata(
    detector: dict[str, str], extraction: dict[str, Any], faceml_version: str
) -> dict[str, str]:
    """Return what a table says about itself in its schema metadata.

    Args:
        detector: What found the points: `name`, `version`, `model_sha256`.
        extraction: The settings that shape the rows, as plain YAML values.
        faceml_version: Version that wrote the table.
    """
    return {
        "faceml.schema_version": str(SCHEMA_VERSION),
        "faceml.version": faceml_version,
        "faceml.landmark_sets": json.dumps(_landmark_sets_as_json(), sort_keys=True),
        "faceml.detector": json.dumps(detector, sort_keys=True),
        "faceml.extraction": json.dumps(extraction, sort_keys=True),
    }


def read_metadata(schema: pa.Schema, where: str) -> dict[str, str]:
    """Return a table's metadata after checking that this version of faceml means the same by it.

    Args:
        schema: Arrow schema of the table.
        where: The table's place, for the error.

    Raises:
        ConfigError: No faceml table, another schema version, or other landmark sets; says which.
    """
    raw = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if "faceml.schema_version" not in raw:
        raise ConfigError(f"{where}: not a landmark table of faceml. Make one with `faceml extract`.")
    if raw["faceml.schema_version"] != str(SCHEMA_VERSION):
        raise ConfigError(
            f"{where}: schema version {raw['faceml.schema_version']}, this faceml reads {SCHEMA_VERSION}. "
            "Extract again, or use the faceml version that wrote it: " + raw["faceml.version"]
        )
    stored, ours = json.loads(raw["faceml.landmark_sets"]), _landmark_sets_as_json()
    differing = [name for name in ours if stored.get(name) != ours[name]]
    if differing:
        raise ConfigError(
            f"{where}: the landmark set of {' and '.join(differing)} points has other points or another flip "
            "than this faceml's. Extract again."
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
