"""Whatever is killed whenever, the same command ends with the table of an undisturbed run."""

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceml.synthetic.generate import generate_faces
from faceml.tables.landmark_table import read_table
from tests.job import VICTIMS, Job
from tests.poison import write_poison

ROUNDS = 10
DRAWN, COPIES = 40, 30

FATAL = ("driver", "cluster")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crowd")
    generate_faces(root / "drawn", "affectnet", {"train": DRAWN}, image_size_px=96, seed=5, processes=1)
    for number, face in enumerate(sorted((root / "drawn" / "train").rglob("*.jpg"))):
        for copy in range(COPIES):
            target = root / "faces" / face.parent.name / f"{number:03}_{copy:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(face, target)
    return root / "faces"


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


def test_extract__killed_at_random_points_ends_with_the_undisturbed_table(
    crowd: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    choose = random.Random(20_260_101)
    undisturbed = start("extract", *settings_of(crowd, tmp_path / "undisturbed"))
    assert "Results:" in undisturbed.finish()
    disturbed = tmp_path / "disturbed"
    job = start("extract", *settings_of(crowd, disturbed))
    # Drawn from three of each, so that no kind can be missing among ten.
    victims = choose.sample(list(VICTIMS["extract"]) * 3, ROUNDS)
    assert set(victims) == set(VICTIMS["extract"])
    while victims:
        # Ray is up when its first actor runs; from then on anything may happen at any time.
        while job.process.poll() is None and not job.of_kind("actor"):
            time.sleep(0.05)
        time.sleep(choose.uniform(0.0, 1.5))
        if job.process.poll() is None and job.kill(victims[-1], choose) and victims.pop() in FATAL:
            job.stop()
        if job.process.poll() is not None:
            job = start("extract", *settings_of(crowd, disturbed))
    assert "Results:" in job.finish()
    assert rows(disturbed) == rows(tmp_path / "undisturbed")
    assert len(rows(disturbed)) == DRAWN * COPIES
    assert all(file.name.startswith("part-") and file.suffix == ".parquet" for file in disturbed.iterdir())


def test_extract__a_poisonous_image_costs_itself_alone(
    crowd: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    root = tmp_path / "faces" / "0"
    root.mkdir(parents=True)
    faces = sorted(crowd.rglob("*.jpg"))
    for number in range(8):
        shutil.copy(faces[number], root / f"{number}.jpg")
    shutil.copy(faces[0], root / "crash.jpg")
    shutil.copy(faces[0], root / "hang.jpg")
    poison = write_poison(tmp_path / "poison")
    job = start(
        "extract", *settings_of(root.parent, tmp_path / "table"), "landmarker.timeout_s=2", path=str(poison)
    )
    output = job.finish()
    assert job.process.returncode == 0, output
    found = {row["image_id"]: row["status"] for row in rows(tmp_path / "table")}
    poisoned = {"0/crash.jpg": "crashed", "0/hang.jpg": "timed_out"}
    assert found == {f"0/{number}.jpg": "ok" for number in range(8)} | poisoned
    summary = json.loads((tmp_path / "table_run" / "summary.json").read_text())
    assert (summary["crashed"], summary["timed_out"]) == (1, 1)


def test_extract__a_store_without_an_answer_ends_the_job_with_one_line(
    crowd: Path, tmp_path: Path, start: Callable[..., Job]
) -> None:
    root = tmp_path / "faces" / "0"
    root.mkdir(parents=True)
    for name, face in zip(("a", "b", "outage"), sorted(crowd.rglob("*.jpg")), strict=False):
        shutil.copy(face, root / f"{name}.jpg")
    poison = write_poison(tmp_path / "poison")
    job = start("extract", *settings_of(root.parent, tmp_path / "table"), path=str(poison))
    output = job.finish()
    assert job.process.returncode == 1
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert last == f"{root.parent}: the store gives no answer. The same command continues from here."
    again = start("extract", *settings_of(root.parent, tmp_path / "table"))
    assert "Results:" in again.finish()
    assert [row["status"] for row in rows(tmp_path / "table")] == ["ok"] * 3
