"""Every command, setting and piece of Python in the documentation, run as it stands there.

A page is run from top to bottom in a folder like a user's: `configs/` is there, and faces where its commands
look for them. Jobs are the same but for being small: on CPUs, from no weights, for one epoch.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceml.datasets.synthetic.generate import generate_faces
from tests.head_node import HeadNode, new_token

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)

SMALL_TRAINING = {
    "scaling.use_gpu": "false",
    "scaling.cpus_per_worker": "1",
    "model.backbone": "resnet18",
    "model.weights": "none",
    "data.image_size": "32",
    "data.loader_processes": "0",
    "training.epochs": "1",
    "training.precision": "fp32",
}
SMALL_SEARCH = {f"train.{key}": value for key, value in SMALL_TRAINING.items()} | {
    "train.training.batch_size_per_worker": "16",
    "num_trials": "1",
    "trial.gpus": "0",
    "trial.cpus": "1",
}
SMALL_RECOGNITION = SMALL_TRAINING | {
    "data.pairs.number": "60",
    "data.people_per_batch": "4",
    "training.channels_last": "false",
}
SMALL = {
    "synth": {"splits.train": "48", "splits.val": "24", "image_size_px": "96"},
    "train": SMALL_TRAINING,
    "tune": SMALL_SEARCH,
    # Every weighting and every seed would be 36 trials.
    "tune_weighting": SMALL_SEARCH
    | {"search": "{weighting.kind: {kind: grid, values: [fixed, dwa]}, seed: {kind: grid, values: [0, 1]}}"},
    "transfer": SMALL_RECOGNITION,
    "transfer_study": {f"recognition.{key}": value for key, value in SMALL_RECOGNITION.items()}
    | {
        "arms": "{naive_scratch: {data.sampling: naive}, pk_scratch: {data.sampling: pk}}",
        "seeds": "[0, 1]",
        "trial": "{cpus: 1, gpus: 0}",
    },
    "evaluate": {"use_gpu": "false", "loader_processes": "0", "report.embeddings": "0"},
}
"""What each job gets beside what the page says."""

FACEML = """
set -euo pipefail
faceml() {{
    local small=$1
    case "$*" in
        *tune_weighting.yaml*) small=tune_weighting;;
        *transfer_study.yaml*) small=transfer_study;;
    esac
    case "$small" in
{cases}
    *) command faceml "$@";;
    esac
}}
"""


def script(page: str) -> str:
    """Return all that a page has to run, as one script."""
    parts = []
    for fence in FENCE.finditer(page):
        text = re.sub(f"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE)
        if fence["language"] == "yaml":
            assert fence["title"], "a YAML file that has no name cannot be used"
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
    cases = "\n".join(f'    {job}) command faceml "$@" {text};;' for job, text in settings.items())
    return FACEML.format(cases=cases)


PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if script(page.read_text("utf-8")))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces and what a clone has; pages come in the order of their names, and share it."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("configs", "Makefile", "pyproject.toml", "constraints.txt", "faceml", "ray_jobs"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".gitignore").write_text("/data/\n/tables/\n/runs/\n/.venv\n")
    faces = {"train": 48, "val": 24}
    generate_faces(folder / "data" / "affectnet", "affectnet", faces, image_size_px=96, processes=1)
    people = {"train": 8, "val": 20}
    generate_faces(
        folder / "data" / "casia", "identity", people, image_size_px=96, images_per_person=4, processes=1
    )
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[HeadNode]:
    with HeadNode(token=new_token()) as node:
        yield node


def test_pages__are_the_ones_with_commands() -> None:
    assert {"tutorial.md", "how-to/affectnet.md", "how-to/casia.md", "how-to/cluster.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_page__its_commands_run(page: str, home: Path, request: pytest.FixtureRequest) -> None:
    environment = {}
    if "faceml submit" in (DOCS / page).read_text("utf-8"):
        node: HeadNode = request.getfixturevalue("cluster")
        environment = node.environment | {"RAY_API_SERVER_ADDRESS": node.address}
    run(shell_function() + script((DOCS / page).read_text("utf-8")), home, environment)


def run(text: str, folder: Path, environment: dict[str, str]) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ended = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
