"""A model as an ONNX file, and ONNX Runtime to run it.

Imported only where it is asked for: the packages are an extra.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch.export import ExportedProgram

from faceml.export.agreement import Answer, Answers, Images
from faceml.export.graph import INPUT, FaceGraph

OPSET = "opset"
PRODUCER = "faceml"


def write_onnx(
    program: ExportedProgram, graph: FaceGraph, opset: int, metadata: Mapping[str, str], file: Path
) -> None:
    """Write one ONNX file, weights inside; names of outputs are those of the graph.

    Args:
        program: From `export_program`.
        graph: That it was made from.
        opset: Of ONNX.
        metadata: For `metadata_props`, beside which `opset` stands there.
        file: To write.
    """
    for name in ("onnx_ir", "onnxscript"):  # which tell each pass of their optimiser
        logging.getLogger(name).setLevel(logging.WARNING)
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=opset,
        input_names=[INPUT],
        output_names=list(graph.outputs),
        dynamic_shapes=({0: "batch", 1: "height", 2: "width"},),
        verbose=False,
    )
    assert exported is not None, "dynamo=True returns a program"
    model = exported.model_proto
    model.producer_name = PRODUCER
    set_metadata(model, {**metadata, OPSET: str(opset)})
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString())


def set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Replace all `metadata_props` of a model."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))


def read_metadata(file: Path) -> dict[str, str]:
    """Return the `metadata_props` of a file."""
    model = onnx.load_model(file, load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def open_onnx(file: Path) -> Answer:
    """Return how ONNX Runtime answers, on one thread of a CPU."""
    options = onnxruntime.SessionOptions()
    # Threads of two sessions would wait for work in the other's time, and their latencies mean nothing.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def answer(images: Images) -> Answers:
        return dict(zip(names, session.run(None, {INPUT: images}), strict=True))

    return answer


def versions() -> dict[str, str]:
    """Return the versions of the packages that made and checked the file."""
    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
