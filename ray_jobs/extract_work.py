"""What an extraction has to do: the listing compared with the table, and how long it will take."""

import importlib.metadata
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

import faceml
from faceml.config.config_error import ConfigError
from faceml.config.extract import ExtractConfig
from faceml.datasets.folder import list_images
from faceml.datasets.landmark_table import read_shard_schema, shard_names
from faceml.datasets.plan import PLAN_FILE, Difference, compare
from faceml.landmarks.extractor_process import ExtractorProcess
from faceml.landmarks.model_bundle import BUNDLE_SHA256
from faceml.schema import landmark_schema, read_metadata, table_metadata
from faceml.storage import StorageFolder, StoredFile
from ray_jobs.extract_worker import extractor_settings

logger = logging.getLogger(__name__)

MOST_VANISHED = 0.5
"""A table of which more is not below the root belongs to another root."""


def find_work(config: ExtractConfig, schema: pa.Schema) -> Difference:
    """List the images and compare them with the table.

    Raises:
        ConfigError: No images, or a table of other settings or of another folder.
    """
    table = StorageFolder(config.output.table)
    refuse_other_settings(table, schema)
    listing = list_images(StorageFolder(config.data.root), config.data.extensions, config.data.follow_links)
    if not listing.num_rows:
        raise ConfigError(
            f"data.root: no images below {config.data.root}. "
            f"data.extensions are {', '.join(config.data.extensions)}."
        )
    work = compare(listing, table, follow_changes=config.output.on_change == "re-extract")
    if len(work.vanished) > MOST_VANISHED * work.known:
        raise ConfigError(
            f"output.table: {config.output.table} has {len(work.vanished)} images that are not below "
            f"data.root {config.data.root}, such as {work.vanished[0]}. Choose another output.table."
        )
    return work


def table_schema(config: ExtractConfig) -> pa.Schema:
    """Return the schema of the table that a configuration makes; its metadata hold what shapes the rows."""
    embed = config.output.embed
    shaping = {
        "data": config.data.model_dump(mode="json", include={"max_bytes", "max_pixels", "follow_links"}),
        "landmarker": config.landmarker.model_dump(
            mode="json", include={"max_faces", "min_detection_confidence", "decode"}
        ),
        "output": config.output.model_dump(mode="json", include={"store_mesh", "embed"}),
    }
    version = importlib.metadata.version("mediapipe")
    detector = {"name": "mediapipe", "version": version, "model_sha256": BUNDLE_SHA256}
    return landmark_schema(
        table_metadata(detector, shaping, faceml.__version__),
        with_mesh=config.output.store_mesh,
        with_image=embed is not None,
        with_crop=embed is not None and embed.crop is not None,
    )


def refuse_other_settings(table: StorageFolder, schema: pa.Schema) -> None:
    """Refuse a table, or a plan for one, that was made with other settings or another model.

    Raises:
        ConfigError: Names what differs.
    """
    wanted = _settings(read_metadata(schema, "the configuration"))
    plan = [PLAN_FILE] if table.has(PLAN_FILE) else []
    for name in [*shard_names(table), *plan]:
        stored = _settings(read_metadata(read_shard_schema(table, name), f"{table.uri}/{name}"))
        differing = [
            f"{key} is {stored.get(key)!r} there and {wanted.get(key)!r} here"
            for key in sorted(stored.keys() | wanted.keys())
            if stored.get(key) != wanted.get(key)
        ]
        if differing:
            raise ConfigError(
                f"output.table: {table.uri} was made with other settings: {'; '.join(differing)}. "
                "Choose another output.table, or the same settings."
            )


def _settings(metadata: Mapping[str, str]) -> dict[str, Any]:
    detector = json.loads(metadata["faceml.detector"])
    return dict(_leaves({"detector": detector} | json.loads(metadata["faceml.extraction"]), ""))


def _leaves(section: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    return [
        leaf
        for key, value in section.items()
        for leaf in (
            _leaves(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, value)]
        )
    ]


def some(names: Sequence[str], most: int = 5) -> str:
    """Name the first few."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


SAMPLE = 64
"""Images that a dry run looks at."""
START_UP_S = 10.0
"""Of Ray and Ray Data on one machine, and of the detectors."""


def dry_run(config: ExtractConfig, console: Console) -> None:
    """Say what there is to do and how long it will take, by looking at a sample; write nothing."""
    work = find_work(config, table_schema(config))
    table = Table(title=f"What extracting {config.data.root} would do", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("images in the table already", f"{work.known:,}")
    table.add_row("images to extract", f"{work.num_to_extract:,}")
    table.add_row("their size", f"{work.bytes_to_extract / 1e6:,.1f} MB")
    table.add_row("images that may have changed", f"{work.touched:,}")
    table.add_row("images that vanished", f"{len(work.vanished):,}")
    if work.num_to_extract:
        seconds = _seconds_per_image(config, work)
        detectors = (os.cpu_count() or 1) if config.landmarker.actors == "auto" else config.landmarker.actors
        minutes = (START_UP_S + seconds * work.num_to_extract / detectors) / 60
        table.add_row("milliseconds an image, one detector", f"{1000 * seconds:.1f}")
        table.add_row(f"estimated minutes, {detectors} detectors", f"{minutes:,.1f}")
    console.print(table)


def _seconds_per_image(config: ExtractConfig, work: Difference) -> float:
    """Extract a sample that is spread over the listing."""
    files = work.new if work.new.num_rows else next(iter(work.begun.values()))
    step = max(1, files.num_rows // SAMPLE)
    sample = [
        StoredFile(*row.values())
        for row in files.take(list(range(0, files.num_rows, step))[:SAMPLE]).to_pylist()
    ]
    with ExtractorProcess(extractor_settings(config)) as process:
        started_s = time.monotonic()
        for _ in process.rows(sample):
            pass
        return (time.monotonic() - started_s) / len(sample)
