"""A model as PyTorch's ExportedProgram, which needs PyTorch to run but no code of faceml.

Shape letters: B images, H and W their sides.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from faceml.export.agreement import Answer, Answers, Images
from faceml.export.graph import FaceGraph

METADATA_FILE = "metadata.json"
"""Beside the program within its file."""
EXAMPLE_SHAPE = (2, 70, 90, 3)
"""No side equals another or 1, so that none is taken for the same as another, or for a constant."""


def export_program(graph: FaceGraph) -> ExportedProgram:
    """Trace a graph for images of any number B and any sides H and W."""
    example = torch.zeros(EXAMPLE_SHAPE, dtype=torch.uint8)
    sides = {0: Dim("batch", min=1), 1: Dim("height", min=1), 2: Dim("width", min=1)}
    with torch.no_grad():
        return torch.export.export(graph, (example,), dynamic_shapes=(sides,), strict=False)


def write_program(program: ExportedProgram, metadata: Mapping[str, str], file: Path) -> None:
    """Write a program as a file for `torch.export.load`, with `metadata.json` among its extra files."""
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files={METADATA_FILE: json.dumps(dict(metadata))})


def open_program(file: Path, outputs: Sequence[str]) -> Answer:
    """Return how a program that is read back answers.

    Args:
        file: From `write_program`.
        outputs: Names of what it returns.
    """
    with file.open("rb") as opened:
        module = torch.export.load(opened).module()

    def answer(images: Images) -> Answers:
        with torch.no_grad():
            values = module(torch.from_numpy(images))
        return {name: value.numpy() for name, value in zip(outputs, values, strict=True)}

    return answer


def read_metadata(file: Path) -> dict[str, str]:
    """Return what `metadata.json` says."""
    content: dict[str, str] = {METADATA_FILE: ""}
    with file.open("rb") as opened:
        torch.export.load(opened, extra_files=content)
    metadata: dict[str, str] = json.loads(content[METADATA_FILE])
    return metadata
