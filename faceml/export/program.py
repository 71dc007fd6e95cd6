"""ExportedProgram files, which run in PyTorch without faceml.

Shape letters: B images, H and W their sides.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from faceml.export.graph import FaceGraph, Images, Inference, Outputs, named_outputs

METADATA_FILE = "metadata.json"
"""Extra file inside the archive."""
EXAMPLE_SHAPE = (2, 70, 90, 3)
"""All sides differ and none is 1: tracing would treat equal sides as one and sides of 1 as constants."""


def export_program(graph: FaceGraph) -> ExportedProgram:
    """Trace a graph with dynamic batch size B and image sides H and W."""
    example = torch.zeros(EXAMPLE_SHAPE, dtype=torch.uint8)
    sides = {0: Dim("batch", min=1), 1: Dim("height", min=1), 2: Dim("width", min=1)}
    with torch.no_grad():
        return torch.export.export(graph, (example,), dynamic_shapes=(sides,), strict=False)


def write_program(program: ExportedProgram, metadata: Mapping[str, str], file: Path) -> None:
    """Write a program as a file for `torch.export.load`, with `metadata.json` among its extra files."""
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files={METADATA_FILE: json.dumps(dict(metadata))})


def open_program(file: Path, outputs: Sequence[str]) -> Inference:
    """Open a file of `write_program`.

    Args:
        file: From `write_program`.
        outputs: Names of the outputs, in order.
    """
    with file.open("rb") as opened:
        module = torch.export.load(opened).module()

    def infer(images: Images) -> Outputs:
        with torch.no_grad():
            return named_outputs(outputs, module(torch.from_numpy(images)))

    return infer


def read_metadata(file: Path) -> dict[str, str]:
    """Return the content of `metadata.json`."""
    content: dict[str, str] = {METADATA_FILE: ""}
    with file.open("rb") as opened:
        torch.export.load(opened, extra_files=content)
    metadata: dict[str, str] = json.loads(content[METADATA_FILE])
    return metadata
