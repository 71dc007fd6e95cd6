"""Every command, setting and piece of Python in the documentation, run as it stands there.

A page is run from top to bottom in a folder like a user's: `configs/` is there, and faces where its commands
look for them. Jobs are the same but for being small: on CPUs, from no weights, for one epoch, on one Ray
cluster. `make test` checks that the settings of all commands exist; `make soak` runs the pages and the
examples of the help texts.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.core import TyperGroup

from faceml.config import apply_overrides, find_config, parse_config, read_mapping
from faceml.synthetic.generate import generate_faces
from ray_jobs.cli import app
from ray_jobs.jobs import JOBS, find_job
from ray_jobs.local import importing
from tests.docs.command_server import command_server
from tests.formats.shipped import SHIPPED, Faces
from tests.head_node import HeadNode, new_token
from tests.job import REPOSITORY

DOCS = REPOSITORY / "docs"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)

SMALL_TRAINING = {
    "scaling.use_gpu": "false",
    "scaling.cpus_per_worker": "1",
    "model.weights": "none",
    "data.image_size": "32",
    "data.loader_processes": "0",
    "training.epochs": "1",
    "training.batch_size_per_worker": "16",
    "training.precision": "fp32",
}
SMALL_SEARCH = {f"train.{key}": value for key, value in SMALL_TRAINING.items()} | {
    "num_trials": "1",
    "trial.gpus": "0",
    "trial.cpus": "2",  # one after the other, in one process
}
NOT_OF_RECOGNITION = ("model.weights", "training.batch_size_per_worker")
SMALL_RECOGNITION = {key: value for key, value in SMALL_TRAINING.items() if key not in NOT_OF_RECOGNITION} | {
    "data.pairs.number": "60",
    "data.people_per_batch": "4",
    "training.channels_last": "false",
}
SMALL = {
    "synth": {"splits.train": "32", "splits.val": "16", "image_size_px": "96", "processes": "1"},
    "extract": {"landmarker.actors": "1"},
    "train": SMALL_TRAINING,
    "tune": SMALL_SEARCH,
    # Every weighting and every seed would be 45 trials.
    "tune_weighting": SMALL_SEARCH
    | {"search": "{weighting.kind: {kind: grid, values: [fixed, dwa]}, seed: {kind: grid, values: [0, 1]}}"},
    "transfer": SMALL_RECOGNITION,
    "transfer_study": {f"recognition.{key}": value for key, value in SMALL_RECOGNITION.items()}
    | {
        "arms.pk_imagenet": "{data.sampling: pk}",  # nothing is downloaded
        "seeds": "[0]",
        "trial": "{cpus: 2, gpus: 0}",
    },
    "export": {"quantize.calibration_images": "8"},
    "evaluate": {"use_gpu": "false", "loader_processes": "0", "report.embeddings": "0"},
    "evaluate_recognition": {"use_gpu": "false", "loader_processes": "0"},
}
"""What each job gets beside what the page says."""

FACEML = """
set -euo pipefail
run_faceml() {{
    if [ -n "${{COMMAND_SERVER-}}" ]; then
        python -I -S {client} "$COMMAND_SERVER" "$@"
    else
        command faceml "$@"
    fi
}}
faceml() {{
    local small=$1
    case "$*" in
        *tune_weighting.yaml*) small=tune_weighting;;
        *transfer_study.yaml*) small=transfer_study;;
        *evaluate_recognition.yaml*) small=evaluate_recognition;;
    esac
    case "$small" in
{cases}
    *) run_faceml "$@";;
    esac
}}
"""


def script(page: str) -> str:
    """Return all that a page has to run, as one script."""
    parts = []
    assert 2 * len(FENCE.findall(page)) == page.count("```"), "a block that is not understood is not run"
    for fence in FENCE.finditer(page):
        text = re.sub(f"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE)
        if fence["language"] == "yaml":
            assert fence["title"], "a YAML file that has no name cannot be used"
            parts.append(f"cat > {fence['title']} <<'END'\n{text}END\n")
        elif fence["title"]:
            parts.append(f"cat > {fence['title']} <<'END'\n{text}END\n")
        elif fence["language"] == "python":
            parts.append(f"python - <<'END'\n{text}END\n")
        else:
            assert fence["language"] == "sh", fence["language"]
            parts.append(text)
    return "".join(parts)


def shell_function() -> str:
    """Return `faceml` as a function that makes jobs small."""
    settings = {job: " ".join(f"--set '{key}={value}'" for key, value in SMALL[job].items()) for job in SMALL}
    cases = "\n".join(f'    {job}) run_faceml "$@" {text};;' for job, text in settings.items())
    return FACEML.format(cases=cases, client=Path(__file__).with_name("command_client.py"))


PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if script(page.read_text("utf-8")))
FIRST = "how-to/affectnet.md"
"""What other pages start from."""
IMPORT = re.compile(r"^faceml import (\S+) (\S+) (\S+)$", re.MULTILINE)
"""Import of a data set: its format, its folder and that of the import."""
TUTORIAL, CLUSTER = "tutorial.md", "how-to/cluster.md"
EXAMPLE = re.compile(r"Example: (.*?)(?:\n\n|$)", re.DOTALL)
RUN_ELSEWHERE = ("demo", "evaluate-landmarks", "train")
"""Commands whose examples are not run here: `test_demo.py` runs the demo, pages train, and only
`test_landmark_evaluation.py` has annotations."""


def examples() -> list[str]:
    """Return the examples of the commands' help texts."""
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    found = {name: EXAMPLE.findall(each.help or "") for name, each in command.commands.items()}
    assert all(found.values()), found
    return [" ".join(example.split()) for lines in found.values() for example in lines]


@pytest.fixture(scope="module")
def local(
    cluster_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of commands that run here, on one Ray cluster, in forks of one process."""
    place = tmp_path_factory.mktemp("server") / "socket"
    with command_server(place):
        yield cluster_environment | {"COMMAND_SERVER": str(place)}


def make_clone(folder: Path) -> Path:
    """Make a folder with what a clone has."""
    folder.mkdir()
    for name in ("benchmarks", "configs", "faceml", "ray_jobs"):
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):  # copies: pages write such files
        shutil.copy2(REPOSITORY / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    ignored = (REPOSITORY / ".gitignore").read_text("utf-8")
    (folder / ".gitignore").write_text(f"{ignored}/.venv\n")  # a link here, no folder
    return folder


def write_shipped(page: str, folder: Path, faces: Faces) -> None:
    """Write the data sets that a page imports."""
    for name, source, _ in IMPORT.findall(page):
        (folder / source).mkdir(parents=True, exist_ok=True)
        SHIPPED[name](folder / source, faces)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, local: dict[str, str]) -> Path:
    """A clone with faces, in which AffectNet's page has been followed."""
    folder = make_clone(tmp_path_factory.mktemp("home") / "clone")
    faces = {"train": 32, "val": 16}
    generate_faces(folder / "data" / "affectnet", "affectnet", faces, image_size_px=96, processes=1)
    (folder / "album").mkdir()
    for number, face in enumerate(sorted((folder / "data" / "affectnet" / "val").rglob("*.jpg"))[:5]):
        shutil.copy(face, folder / "album" / f"{number}.jpg")
    shutil.copy(face, folder / "photo.jpg")
    drawn = [cv2.imread(str(file))[:, :, ::-1] for file in (folder / "data" / "affectnet").rglob("*.jpg")]
    for page in PAGES:
        write_shipped(script((DOCS / page).read_text("utf-8")), folder, drawn)
    run(script((DOCS / FIRST).read_text("utf-8")), folder, local)
    return folder


@pytest.fixture
def copy_of_home(home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(home, tmp_path / "home", symlinks=True))


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment of who may send jobs to a cluster."""
    with HeadNode(token=new_token()) as node:
        yield node.environment | {"RAY_API_SERVER_ADDRESS": node.address}


@pytest.mark.soak
def test_pages__the_first_leaves_what_it_says(home: Path) -> None:
    assert {FIRST, TUTORIAL, "how-to/casia.md", CLUSTER} <= set(PAGES)
    for name in ("affectnet/best_model.pt", "affectnet_on_val/report.html"):
        assert (home / "runs" / name).is_file()


@pytest.mark.soak
def test_tutorial__its_commands_run(tmp_path: Path, local: dict[str, str]) -> None:
    run(script((DOCS / TUTORIAL).read_text("utf-8")), make_clone(tmp_path / "clone"), local)


@pytest.mark.soak
@pytest.mark.parametrize("page", [page for page in PAGES if page not in (FIRST, TUTORIAL, CLUSTER)])
def test_page__its_commands_run(page: str, copy_of_home: Path, local: dict[str, str]) -> None:
    run(script((DOCS / page).read_text("utf-8")), copy_of_home, local)


@pytest.mark.parametrize("page", PAGES)
def test_page__its_commands_have_settings_that_exist(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    text = (DOCS / page).read_text("utf-8")
    for fence in FENCE.finditer(text):
        if fence["language"] == "yaml":
            (tmp_path / fence["title"]).write_text(textwrap.dedent(fence["text"]))
    write_shipped(script(text), tmp_path, [np.zeros((48, 48, 3), np.uint8)] * 24)
    for name, source, output in IMPORT.findall(script(text)):
        importing.run(name, Path(source), Path(output))
    lines = [line.strip() for line in script(text).replace("\\\n", " ").splitlines()]
    for line in lines:
        if line.startswith("faceml ") and "best_config.yaml" not in line:
            load_settings(shlex.split(line)[1:])


@pytest.mark.soak
def test_page__of_the_cluster_runs_its_commands(copy_of_home: Path, cluster: dict[str, str]) -> None:
    run(script((DOCS / CLUSTER).read_text("utf-8")), copy_of_home, cluster)
    assert list((copy_of_home / "tables" / "affectnet" / "train").glob("*.parquet"))


@pytest.mark.soak
def test_help__its_examples_run(copy_of_home: Path, local: dict[str, str]) -> None:
    pages = [script((DOCS / page).read_text("utf-8")) for page in PAGES]
    in_pages = {" ".join(line.split()) for page in pages for line in page.replace("\\\n", " ").splitlines()}
    left = [example for example in examples() if example not in in_pages]
    assert len(left) < len(examples()) / 2
    # As if the example of `faceml train` had been run.
    (copy_of_home / "runs" / "multitask_affectnet").symlink_to("affectnet")
    run("\n".join(each for each in left if shlex.split(each)[1] not in RUN_ELSEWHERE), copy_of_home, local)


@pytest.mark.parametrize("example", examples())
def test_help__its_examples_have_settings_that_exist(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    load_settings(shlex.split(example)[1:])


def load_settings(words: list[str]) -> None:
    """Parse the arguments of a command, and load the configuration of its job."""
    name, arguments = words[0], words[1:]
    commands = typer.main.get_command(app)
    assert isinstance(commands, TyperGroup)
    if name == "submit":
        name, arguments = arguments[0], arguments[1:]
    command = commands.commands[name]
    parameters = command.make_context(name, arguments).params
    if name in JOBS:
        file = parameters["config"]
        if file is None or not file.exists():  # a file that an earlier command writes
            file = find_config(JOBS[name].file)
        raw = apply_overrides(read_mapping(file), parameters["overrides"] or [])
        parse_config(find_job(name, raw).model, raw)


def run(text: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a script, in which jobs are small; without a server of commands in processes of their own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ended = subprocess.run(
        ["bash", "-c", shell_function() + text],
        cwd=folder,
        env=os.environ | environment | {"PATH": path, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
