"""A table of images to complete shard by shard. Actors import this module, so that it imports little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from faceml.config import Config
from faceml.extraction import RowExtractorSettings


@dataclass(frozen=True)
class TableJob:
    """A table to complete, and the resources of its actors.

    Attributes:
        name: Name of the job.
        config: Configuration of the job.
        root_key: Setting of the folder of images, for error messages.
        workers_key: Section of the actors' settings, for error messages.
        extensions: Extensions of image files.
        table: Folder of the table, a path or URI.
        schema: Schema of the table; its metadata contain the settings that affect the rows.
        follows_changes: Extract changed images again and drop the rows of deleted ones.
        images_per_shard: Most rows of a shard.
        extractor: Settings of the row extractor, including the folder of images.
        max_attempts: Attempts at an image that crashes or hangs the process.
        images_per_process: Images after which a process is replaced.
        actors: Number of actors; `auto` is one for each CPU of the cluster that has memory for it.
        wait_for_nodes_s: Longest time to wait for a first CPU where nodes start on demand.
        bytes_each: Memory of an actor and its process.
        gpus_each: Share of a GPU for each actor.
        shared: Whether local paths are the same on every node.
        run_folder: Run folder, a path or URI.
        log_format: Format of the actors' log.
    """

    name: str
    config: Config
    root_key: str
    workers_key: str
    extensions: Sequence[str]
    table: str
    schema: pa.Schema
    follows_changes: bool
    images_per_shard: int
    extractor: RowExtractorSettings
    max_attempts: int
    images_per_process: int
    actors: int | Literal["auto"]
    wait_for_nodes_s: float
    bytes_each: int
    gpus_each: float
    shared: bool
    run_folder: str
    log_format: Literal["text", "json"]
