"""Extractions with killed processes: the same command completes the table of an undisturbed run."""

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceml.config.extract import ExtractConfig
from faceml.config.loading import parse_config
from faceml.synthetic.generate import generate_faces
from faceml.tables.sorted_rows import read_table
from ray_jobs.tables import extraction
from tests.job import VICTIMS, Job
from tests.poison import write_poison

DRAWN = 40
FATAL = ("driver", "cluster")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few faces."""
    root = tmp_path_factory.mktemp("drawn")
    generate_faces(root, "affectnet", {"train": DRAWN}, image_size_px=96, seed=5, processes=1)
    return sorted((root / "train").rglob("*.jpg"))


def draw_crowd(drawn: list[Path], root: Path, copies: int) -> int:
    """Write so many copies of faces into a folder, and one face that waits; return how many there are."""
    for number, face in enumerate(drawn):
        for copy in range(copies):
            target = root / face.parent.name / f"{number:03}_{copy:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(face)
    (root / drawn[DRAWN // 2].parent.name / "wait.jpg").hardlink_to(drawn[DRAWN // 2])
    return len(drawn) * copies + 1


def rows(table: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(table).to_pylist()
    return found


def settings_of(root: Path, table: Path) -> list[str]:
    return [
        f"data.root={root}",
        f"output.table={table}",
        "output.images_per_shard=20",
        "quality.least_plausible=0",
    ]


@pytest.mark.parametrize(("rounds", "copies"), [(1, 2), pytest.param(10, 30, marks=pytest.mark.soak)])
def test_extract__killed_at_random_points_ends_with_the_undisturbed_table(
    rounds: int, copies: int, drawn: list[Path], tmp_path: Path, ray_cluster: None, start: Callable[..., Job]
) -> None:
    choose = random.Random(20_260_101)
    crowd, disturbed = tmp_path / "faces", tmp_path / "disturbed"
    images = draw_crowd(drawn, crowd, copies)
    plain = {"data": {"root": str(crowd)}, "output": {"table": str(tmp_path / "undisturbed")}}
    extraction.run(parse_config(ExtractConfig, plain | {"landmarker": {"actors": 1}}))
    # The image that waits holds up the end of the job until all is killed that shall be.
    poison = write_poison(tmp_path / "poison")
    patient = ("landmarker.timeout_s=600", "landmarker.max_attempts=20")

    def start_again() -> Job:
        return start("extract", *settings_of(crowd, disturbed), *patient, path=str(poison.folder))

    job = start_again()
    # Drawn from three of each, so that no kind can be missing among ten.
    victims = choose.sample(list(VICTIMS["extract"]) * 3, 10)
    assert set(victims) == set(VICTIMS["extract"])
    victims = victims[:rounds]
    while victims:
        # Ray is up when its first actor runs; from then on anything may happen at any time.
        while job.process.poll() is None and not job.of_kind("actor"):
            time.sleep(0.05)
        time.sleep(choose.uniform(0.0, 1.5))
        if job.process.poll() is None and job.kill(victims[-1], choose) and victims.pop() in FATAL:
            job.stop()
        if job.process.poll() is not None:
            assert job.process.returncode != 0, "the extraction ended before all was killed that shall be"
            job = start_again()
    poison.release()
    assert "Results:" in job.finish()
    assert rows(disturbed) == rows(tmp_path / "undisturbed")
    assert len(rows(disturbed)) == images
    manifest = {".manifest.pq", ".images.pq"}
    shards = {file.name for file in disturbed.iterdir()} - manifest
    assert all(name.startswith("part-") and name.endswith(".parquet") for name in shards)


@pytest.mark.soak
def test_extract__a_poisonous_image_costs_itself_alone(
    drawn: list[Path], tmp_path: Path, start: Callable[..., Job]
) -> None:
    root = tmp_path / "faces" / "0"
    root.mkdir(parents=True)
    for number in range(8):
        shutil.copy(drawn[number], root / f"{number}.jpg")
    shutil.copy(drawn[0], root / "crash.jpg")
    shutil.copy(drawn[0], root / "hang.jpg")
    poison = write_poison(tmp_path / "poison")
    job = start(
        "extract",
        *settings_of(root.parent, tmp_path / "table"),
        *("landmarker.timeout_s=2", "landmarker.actors=1"),
        path=str(poison.folder),
    )
    output = job.finish()
    assert job.process.returncode == 0, output
    found = {row["image_id"]: row["status"] for row in rows(tmp_path / "table")}
    poisoned = {"0/crash.jpg": "crashed", "0/hang.jpg": "timed_out"}
    assert found == {f"0/{number}.jpg": "ok" for number in range(8)} | poisoned
    summary = json.loads((tmp_path / "table_run" / "summary.json").read_text())
    assert (summary["crashed"], summary["timed_out"]) == (1, 1)


def test_extract__a_store_without_an_answer_ends_the_job_with_one_line(
    drawn: list[Path], tmp_path: Path, ray_cluster: None, start: Callable[..., Job]
) -> None:
    root = tmp_path / "faces" / "0"
    root.mkdir(parents=True)
    for name, face in zip(("a", "b", "outage"), drawn, strict=False):
        shutil.copy(face, root / f"{name}.jpg")
    poison = write_poison(tmp_path / "poison")
    settings = [*settings_of(root.parent, tmp_path / "table"), "landmarker.actors=1"]
    job = start("extract", *settings, path=str(poison.folder))
    output = job.finish()
    assert job.process.returncode == 1
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert (
        last == f"{root.parent}: the store gives no answer. The same command continues from what is finished."
    )
    plain = {"data": {"root": str(root.parent)}, "output": {"table": str(tmp_path / "table")}}
    extraction.run(parse_config(ExtractConfig, plain | {"landmarker": {"actors": 1}}))
    assert [row["status"] for row in rows(tmp_path / "table")] == ["ok"] * 3
