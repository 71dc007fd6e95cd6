"""A table of images that is made shard by shard, whatever its rows say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from faceml.config import Config
from faceml.tables import RowSettings


@dataclass(frozen=True)
class ShardJob:
    """What is to be made, and by how many.

    Attributes:
        name: Of the job.
        config: Of the job.
        root_key: Setting that names the folder of images.
        workers_key: Section that says how many make them.
        extensions: Endings of file names that count as images.
        table: Where the rows go, a path or URI.
        schema: Of the table; its metadata hold what shapes the rows.
        follows_changes: Make rows of changed images again and drop those of vanished ones.
        images_per_shard: At most.
        rows: What makes them; it knows the folder of images.
        max_attempts: Times that an image may crash or hang the process until its row says so.
        images_per_process: Images after which a new process takes over.
        actors: Processes at once; `auto` is one for each CPU of the cluster that has memory for it.
        wait_for_nodes_s: For so long a first CPU is waited for where nodes start on demand.
        bytes_each: Memory that an actor and its process take.
        gpus_each: What an actor takes of a GPU.
        shared: Whether local paths are the same on every node.
        run_folder: A path or URI.
        log_format: Of the workers' log lines.
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
    rows: RowSettings
    max_attempts: int
    images_per_process: int
    actors: int | Literal["auto"]
    wait_for_nodes_s: float
    bytes_each: int
    gpus_each: float
    shared: bool
    run_folder: str
    log_format: Literal["text", "json"]
