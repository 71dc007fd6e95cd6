import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from faceml.config import ConfigError
from faceml.formats import import_data_set, open_format, write_next_jobs
from tests.formats.fer_files import pixels_of, random_faces, write_fer2013, write_votes

IMPORT = "from ray_jobs.cli import main; main('import')"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    rows = [(number % 7, pixels_of(face), "Training") for number, face in enumerate(random_faces(20))]
    write_fer2013(folder / "fer2013.csv", rows)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_import_data_set__continues_after_a_kill(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed when the first five images are written, and started again."""
    monkeypatch.setattr("faceml.formats.importing.RECORDS_PER_STEP", 4)
    whole = tmp_path / "whole"
    import_data_set(open_format("fer2013", faces), whole)
    output = tmp_path / "killed"
    if (child := os.fork()) == 0:
        import_data_set(
            open_format("fer2013", faces),
            output,
            lambda _: len(list(output.rglob("*.png"))) == 6 and os.kill(os.getpid(), signal.SIGKILL),
        )
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (output / "labels.parquet").exists()
    assert json.loads((output / "import.json").read_text())["records"] == 4

    summary = import_data_set(open_format("fer2013", faces), output)

    assert summary.written == 16
    assert contents(output) == contents(whole)


def test_import_data_set__writes_nothing_twice(tmp_path: Path, faces: Path) -> None:
    import_data_set(open_format("fer2013", faces), tmp_path / "out")
    before = contents(tmp_path / "out")
    summary = import_data_set(open_format("fer2013", faces), tmp_path / "out")
    assert (summary.images, summary.written) == (20, 0)
    assert contents(tmp_path / "out") == before
    shutil.rmtree(tmp_path / "out" / "images")
    assert import_data_set(open_format("fer2013", faces), tmp_path / "out").written == 20
    assert contents(tmp_path / "out") == before, "deleted images are written again"


def test_import_data_set__writes_all_images_of_a_source_that_changed(tmp_path: Path, faces: Path) -> None:
    import_data_set(open_format("fer2013", faces), tmp_path / "out")
    rows = [(3, pixels_of(face), "Training") for face in reversed(random_faces(21))]
    write_fer2013(faces / "fer2013.csv", rows)
    assert import_data_set(open_format("fer2013", faces), tmp_path / "out").written == 21


def test_import_data_set__keeps_each_source_in_a_folder_of_its_own(tmp_path: Path, faces: Path) -> None:
    import_data_set(open_format("fer2013", faces), tmp_path / "out")
    other = tmp_path / "other"
    write_fer2013(other / "fer2013.csv", [(1, pixels_of(random_faces(1)[0]), "Training")])
    with pytest.raises(ConfigError, match=r"has an import of fer2013, .*Choose another folder"):
        import_data_set(open_format("fer2013", other), tmp_path / "out")


def test_import_data_set__refuses_a_source_without_images(tmp_path: Path) -> None:
    write_fer2013(tmp_path / "fer2013.csv", [(9, "1", "Training")] * 3)
    with pytest.raises(ConfigError, match=r"no record has an image .3 × the expression"):
        import_data_set(open_format("fer2013", tmp_path), tmp_path / "out")


def test_import_data_set__writes_no_image_outside_its_folder(tmp_path: Path) -> None:
    face, votes = pixels_of(random_faces(1)[0]), [0, 9, 0, 0, 0, 0, 0, 0, 0, 0]
    names = ["fer0000000.png", "../../../outside.png", "/outside.png", "a/./b.png"]
    write_votes(tmp_path / "in/fer2013new.csv", [["Training", name, *votes] for name in names])
    write_fer2013(tmp_path / "in/fer2013.csv", [(0, face, "Training")] * len(names))
    summary = import_data_set(open_format("ferplus", tmp_path / "in"), tmp_path / "a/b/out")
    assert summary.broken == {"the name is no path below the folder": 3}
    assert [path.name for path in tmp_path.rglob("*.png")] == ["fer0000000.png"]


def test_write_next_jobs__keeps_edited_files(tmp_path: Path, faces: Path) -> None:
    data = open_format("fer2013", faces)
    jobs = write_next_jobs(data, tmp_path / "out")
    assert [str(job) for job in jobs] == [
        f"faceml {command} --config {tmp_path}/out/{command}.yaml" for command in ("extract", "train")
    ]
    train = yaml.safe_load(jobs[1].config.read_text())
    assert train["data"]["train"]["where"] == {"split": "train"}
    assert train["data"]["val"]["table"] == yaml.safe_load(jobs[0].config.read_text())["output"]["table"]
    jobs[1].config.write_text("edited: true\n")
    write_next_jobs(data, tmp_path / "out")
    assert jobs[1].config.read_text() == "edited: true\n"


def test_import__prints_counts_broken_records_and_the_next_commands(tmp_path: Path, faces: Path) -> None:
    with (faces / "fer2013.csv").open("a") as file:
        file.write("1,1 2 3,Training\n")
    command = [sys.executable, "-c", IMPORT, "fer2013", str(faces), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "happy      │     3" in done.stdout
    assert f"faceml extract --config {tmp_path}/out/extract.yaml" in done.stdout
    assert done.stdout.splitlines()[-1] == f"Results: {tmp_path}/out"
    assert "1 records are left out: the pixels are not 48 × 48 numbers" in done.stderr
    assert "(fer2013.csv, line 22)" in done.stderr


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        (
            "ferplu",
            "shipped",
            "faceml import ferplu: no such format. There are affectnet-csv, affectnet-npy, ",
        ),
        ("fer2013", "nowhere", "no such file or folder. Name the data set that was downloaded."),
        ("ferplus", "shipped", "has no fer2013new.csv, the file of FER+. Name its folder."),
    ],
)
def test_import__refuses_in_one_line(
    tmp_path: Path, faces: Path, name: str, source: str, message: str
) -> None:
    command = [sys.executable, "-c", IMPORT, name, str(tmp_path / source), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
