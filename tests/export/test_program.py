"""ExportedProgram files after loading."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.export import ExportedProgram

from faceml.export.exportable import Exportable
from faceml.export.graph import eager_inference
from faceml.export.program import open_program, read_metadata, write_program
from faceml.tasks.classes import AFFECTNET8
from tests.export.conftest import SHAPES


@pytest.fixture(scope="module")
def file(exportable: Exportable, program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("program") / "model.pt2"
    write_program(program, exportable.metadata, written)
    return written


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 1, 1), (4, 33, 120), (7, 300, 257)])
def test_open_program__outputs_match_pytorch_for_any_batch_and_size(
    exportable: Exportable, file: Path, shape: tuple[int, int, int]
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = eager_inference(exportable.graph)(images)
    found = open_program(file, exportable.graph.outputs)(images)
    for name, values in expected.items():
        atol = 1e-6 * max(1, np.abs(values).max())  # angles are in degrees
        np.testing.assert_allclose(found[name], values, rtol=0, atol=atol, err_msg=name)


def test_write_program__metadata_describe_outputs(file: Path) -> None:
    assert json.loads(read_metadata(file)["labels"]) == list(AFFECTNET8)


def test_write_program__runs_where_there_is_no_faceml(file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, torch; module = torch.export.load(sys.argv[1]).module(); "
        "outputs = module(torch.zeros(3, 20, 50, 3, dtype=torch.uint8)); "
        "print([tuple(a.shape) for a in outputs], 'faceml' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == f"{[(3, *shape) for shape in SHAPES.values()]} False\n"
