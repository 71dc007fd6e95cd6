"""Time from the start of a resumed extraction into an object store to its first detection.

A table of shards lies in a local S3 server (moto) behind a proxy that delays every request. Some images have
no row yet. The last line is one JSON object: seconds until the first detection with a current manifest,
without one, and with the plan of an interrupted extraction alone.

    python benchmarks/store_latency.py --shards 5000 --latency 0.08
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.fs as pafs

from faceml.config import ExtractConfig, parse_config
from faceml.extraction import TableDiff, write_plan
from faceml.extraction.file_lists import ShardFiles
from faceml.storage import StorageFolder, StorageRoots
from faceml.synthetic.generate import generate_faces
from faceml.tables import QueryLimits, list_images, update_manifest, write_shard
from ray_jobs.tables import (
    ShardResult,
    TableJob,
    actor_pool,
    build_table_schema,
    extraction as job,
    read_result,
)

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
IMAGES_PER_SHARD = 4
NEW_IMAGES = 64
SERVER, PROXY = 5871, 5872
LIMITS = QueryLimits()
STATES = ("manifest", "nothing", "plan")


async def delay_requests(latency_s: float) -> None:
    """Forward connections to the server, each part of a request after a delay."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
        while data := await reader.read(1 << 20):
            await asyncio.sleep(delay_s)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", SERVER)
        await asyncio.gather(pump(reader, back, latency_s), pump(there, writer, 0), return_exceptions=True)

    async with await asyncio.start_server(connect, "127.0.0.1", PROXY) as server:
        await server.serve_forever()


def place(name: str, port: int) -> str:
    """Return the URI of a folder in the bucket, through the server or the proxy."""
    return f"s3://bench/{name}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


def draw_images(root: Path, number: int) -> None:
    """Make so many links to one drawn face."""
    generate_faces(root / "drawn", "affectnet", {"train": 1}, image_size_px=96, seed=0, processes=1)
    (face,) = (root / "drawn/train").rglob("*.jpg")
    for index in range(number):
        link = root / "images" / str(index % 8) / f"{index:07}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(face)


def config_of(root: Path, name: str) -> ExtractConfig:
    """Return the configuration of an extraction into the table of a name."""
    plain = {
        "data": {"root": str(root / "images")},
        "output": {"table": place(name, PROXY)},
        "run": {"folder": str(root / f"run_{name}")},
    }
    return parse_config(ExtractConfig, plain)


def write_table(root: Path, shards: int) -> None:
    """Write the shards of all images but the last ones, with rows of images without a face."""
    schema = build_table_schema(config_of(root, "table"))
    listing = list_images(StorageRoots(root / "images"), [".jpg"])
    for index in range(shards):
        files = listing.slice(index * IMAGES_PER_SHARD, IMAGES_PER_SHARD).to_pylist()
        rows = [file | {"folder": file["image_id"][0], "status": "no_face"} for file in files]
        write_shard(rows, schema, root / "table" / f"part-{index:016x}.parquet")


def put_table(root: Path, name: str, state: str, shards: int) -> None:
    """Put the table into the store, in one of `STATES`."""
    there = StorageFolder(place(name, SERVER))
    pafs.copy_files(str(root / "table"), there.path, destination_filesystem=there.filesystem)
    if state == "manifest":
        update_manifest(there)
    if state == "plan":
        listing = list_images(StorageRoots(root / "images"), [".jpg"])
        planned = [
            ShardFiles(f"part-{index:016x}.parquet", listing.slice(start, IMAGES_PER_SHARD))
            for index, start in enumerate(range(0, listing.num_rows, IMAGES_PER_SHARD))
        ]
        write_plan([("new", planned)], there, build_table_schema(config_of(root, name)), root)


def resume(root: Path, name: str, started_s: float) -> None:
    """Extract until the first shard is done; print the seconds from the start to its first detection."""
    compared_s, compute_diff = list[float](), job.compute_diff  # type: ignore[attr-defined]

    def read(row: dict[str, str]) -> ShardResult:
        seconds = {"compared": compared_s[0], "first_detection": read_result(row).started_s - started_s}
        print(json.dumps({name: round(value, 1) for name, value in seconds.items()}), flush=True)
        raise SystemExit

    actor_pool.read_result = read  # type: ignore[attr-defined]

    def compare(job: TableJob, scratch: Path, limits: QueryLimits = LIMITS) -> TableDiff:
        diff = compute_diff(job, scratch, limits)
        compared_s.append(time.time() - started_s)
        return diff

    job.compute_diff = compare  # type: ignore[attr-defined]
    job.run(config_of(root, name))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=5000)
    parser.add_argument("--latency", type=float, default=0.08, help="of each request, seconds")
    parser.add_argument("--states", nargs="+", choices=STATES, default=STATES)
    parser.add_argument("--proxy", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--resume", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ |= KEYS
    if arguments.proxy:
        asyncio.run(delay_requests(arguments.latency))
    if arguments.resume:
        resume(Path(arguments.resume[0]), arguments.resume[1], float(arguments.resume[2]))
        return
    moto = [sys.executable, "-m", "moto.server", "-p", str(SERVER)]
    proxy = [sys.executable, __file__, "--proxy", "--latency", str(arguments.latency)]
    servers = [subprocess.Popen(each, stderr=subprocess.DEVNULL) for each in (moto, proxy)]
    root = Path(tempfile.mkdtemp(prefix="faceml-bench-"))
    draw_images(root, arguments.shards * IMAGES_PER_SHARD + NEW_IMAGES)
    write_table(root, arguments.shards)
    pafs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{SERVER}", scheme="http", region="us-east-1", allow_bucket_creation=True
    ).create_dir("bench")
    seconds = {}
    for state in arguments.states:
        put_table(root, state, state, arguments.shards)
        resumed = [sys.executable, __file__, "--resume", str(root), state, str(time.time())]
        output = subprocess.run(resumed, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds[state] = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    for server in servers:
        server.terminate()
    shutil.rmtree(root)
    result = {"name": "store_latency", "latency_s": arguments.latency, "shards": arguments.shards}
    print(json.dumps(result | {"seconds": seconds, "n": 1}))


if __name__ == "__main__":
    main()
