"""Generation of synthetic face images with their exact landmark tables."""

import hashlib
import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from faceml import __version__
from faceml.config import ConfigError
from faceml.images import difference_hash, encode_jpeg
from faceml.storage import make_folder
from faceml.synthetic.canvas import use_one_thread
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import five_of_ten, render_face
from faceml.synthetic.scene import sample_scene
from faceml.tables import landmark_column, landmark_schema, table_metadata, write_shard
from faceml.tasks import AFFECTNET8

Layout = Literal["affectnet", "identity"]

LANDMARK_FOLDER = "landmarks"
"""Folder beside the splits, with the exact landmark table of each split."""

# With fewer images, starting another process costs more time than it saves.
_IMAGES_PER_PROCESS = 48


@dataclass(frozen=True)
class Portrait:
    """Path and seeds of one image.

    Attributes:
        image_id: Path below the split's folder.
        label: Expression from 0 to 7; None draws it from the picture's seed.
        person_seed: Seed of the person.
        picture_seed: Seed of everything that differs between images of a person.
    """

    image_id: str
    label: int | None
    person_seed: tuple[int, ...]
    picture_seed: tuple[int, ...]


def generate_faces(
    root: Path,
    layout: Layout,
    splits: Mapping[str, int],
    *,
    images_per_person: int = 20,
    image_size_px: int = 350,
    jpeg_quality: int = 90,
    seed: int = 0,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write synthetic faces as `{root}/{split}/{label or person}/{image}.jpg` with their landmark tables.

    The tables, `{root}/landmarks/{split}`, hold exact landmarks in the columns of `faceml extract`. An image
    depends on the seed, its split and its index only; splits share no person.

    Args:
        root: Folder to fill; missing or empty.
        layout: `affectnet` has a folder for each expression, `0` to `7`, with every image of another person;
            `identity` has a folder for each person, with images of all expressions.
        splits: Number of images (`affectnet`) or of people (`identity`) in each split.
        images_per_person: Number of images of each person, for `identity` only.
        image_size_px: Side of the square images in px.
        jpeg_quality: JPEG quality from 1 to 100.
        seed: Seed of the data set.
        processes: Number of processes; by default the number of CPUs.
        on_progress: Called with the number of images written since the last call.

    Returns:
        The number of images.

    Raises:
        ConfigError: The folder is not empty, or a split has the name of the tables' folder.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(
            f"Bad value: 'output.root' = {str(root)!r}: is not empty. Choose a new folder, or empty this one."
        )
    if LANDMARK_FOLDER in splits:
        raise ConfigError(
            f"Bad value: 'splits.{LANDMARK_FOLDER}': this name is reserved for the landmark "
            "tables. Rename the split."
        )
    schema = landmark_schema(
        table_metadata(
            detector={"name": "drawn", "version": __version__, "model_sha256": ""},
            extraction={"layout": layout, "image_size_px": image_size_px, "seed": seed},
            faceml_version=__version__,
        )
    )
    total = 0
    for split, count in splits.items():
        portraits = list_portraits(layout, split, count, images_per_person, seed)
        write = partial(
            write_portrait, folder=root / split, image_size_px=image_size_px, jpeg_quality=jpeg_quality
        )
        for folder in sorted({portrait.image_id.partition("/")[0] for portrait in portraits}):
            make_folder(root / split / folder)
        rows = []
        for row in _map(write, portraits, processes or os.cpu_count() or 1):
            rows.append(row)
            if on_progress is not None:
                on_progress(1)
        write_shard(rows, schema, root / LANDMARK_FOLDER / split / "part-000000.parquet")
        total += len(rows)
    return total


def list_portraits(
    layout: Layout, split: str, count: int, images_per_person: int, seed: int
) -> list[Portrait]:
    """Return the images of a split; see `generate_faces`."""
    # Unlike hash(), a checksum is the same in every process.
    origin = (seed, zlib.crc32(split.encode()))
    if layout == "affectnet":
        labels = len(AFFECTNET8)
        return [
            Portrait(f"{i % labels}/{i:06d}.jpg", i % labels, (*origin, i, 0), (*origin, i, 1))
            for i in range(count)
        ]
    return [
        Portrait(f"{split}_{person:05d}/{i:04d}.jpg", None, (*origin, person, 0), (*origin, person, 1, i))
        for person in range(count)
        for i in range(images_per_person)
    ]


def write_portrait(portrait: Portrait, folder: Path, image_size_px: int, jpeg_quality: int) -> dict[str, Any]:
    """Draw and write one image below `folder`, and return its row of the landmark table."""
    person = sample_person(np.random.default_rng(portrait.person_seed))
    rng = np.random.default_rng(portrait.picture_seed)
    label = int(rng.integers(len(AFFECTNET8))) if portrait.label is None else portrait.label
    expression, scene = sample_expression(label, rng), sample_scene(rng)
    image, landmarks = render_face(person, expression, scene, image_size_px)
    encoded = encode_jpeg(image, jpeg_quality)
    (folder / portrait.image_id).write_bytes(encoded)
    return {
        "image_id": portrait.image_id,
        "folder": portrait.image_id.partition("/")[0],
        "status": "ok",
        "width": image_size_px,
        "height": image_size_px,
        "num_faces": 1,
        landmark_column(5): five_of_ten(landmarks).ravel().tolist(),
        landmark_column(10): landmarks.ravel().tolist(),
        "yaw_deg": scene.yaw_deg,
        "pitch_deg": scene.pitch_deg,
        "roll_deg": scene.roll_deg,
        "content_sha256": hashlib.sha256(encoded).digest(),
        "dhash": difference_hash(image),
    }


def _map(
    function: Callable[[Portrait], dict[str, Any]], portraits: Iterable[Portrait], processes: int
) -> Iterator[dict[str, Any]]:
    """Map in order, in several processes if there are enough images."""
    work = list(portraits)
    processes = min(processes, -(-len(work) // _IMAGES_PER_PROCESS))
    if processes <= 1:
        yield from map(function, work)
        return
    # Spawned, because forked copies of OpenCV's and torch's thread pools can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=use_one_thread) as pool:
        yield from pool.map(function, work, chunksize=16)
