"""ONNX files: export, int8 quantization, and inference with ONNX Runtime.

Imported only when needed: the packages are the optional extra `export`.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch.export import ExportedProgram

from faceml.export.graph import INPUT, FaceGraph, Images, Inference, Outputs

OPSET = "opset"
IMPLEMENTED_OPSET = 18
"""Oldest operator set that PyTorch's exporter writes."""
REDUCTIONS = ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare")
"""Operators whose axes became an input in operator set 18."""
PRODUCER = "faceml"
# The operators of the backbone. Preprocessing stays in float, and so do the linear layers: they hold 2 to 5 %
# of the weights, and landmark coordinates in 256 steps would be off by up to half a step.
QUANTIZED = ("Conv", "Add", "MaxPool", "GlobalAveragePool")


def write_onnx(
    program: ExportedProgram, graph: FaceGraph, opset: int, metadata: Mapping[str, str], file: Path
) -> None:
    """Write one ONNX file with the weights inside; outputs are named as those of the graph.

    Args:
        program: From `export_program`.
        graph: The graph that the program was exported from.
        opset: Version of the ONNX operator set.
        metadata: Entries of `metadata_props`; `opset` is added to them.
        file: File to write.
    """
    for name in ("onnx_ir", "onnxscript"):  # they log every pass of their optimiser
        logging.getLogger(name).setLevel(logging.WARNING)
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=max(opset, IMPLEMENTED_OPSET),
        input_names=[INPUT],
        output_names=list(graph.outputs),
        dynamic_shapes=({0: "batch", 1: "height", 2: "width"},),
        verbose=False,
    )
    assert exported is not None, "dynamo=True returns a program"
    model = exported.model_proto
    if opset < IMPLEMENTED_OPSET:
        _lower_to_opset_17(model)
    model.producer_name = PRODUCER
    _set_metadata(model, {**metadata, OPSET: str(opset)})
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString())


def write_int8(floats: Path, images: Iterable[Images], weight_bits: int, file: Path) -> None:
    """Quantise a model statically: weights per channel, activation ranges from calibration images.

    The quantised operators stand between QuantizeLinear and DequantizeLinear (QDQ format). Weights are
    symmetric int8, activations uint8 with a zero point (Jacob et al. 2018, "Quantization and training of
    neural networks for efficient integer-arithmetic-only inference").

    Args:
        floats: The float32 ONNX file.
        images: Calibration images; ranges are their minima and maxima.
        weight_bits: Bits of a weight, 7 or 8.
        file: File to write.
    """
    with TemporaryDirectory() as folder:
        shaped = Path(folder, "shaped.onnx")
        quant_pre_process(str(floats), str(shaped), skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            shaped,
            file,
            _Calibration(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    model = onnx.load_model(file)
    quantization = f"static QDQ, per channel, int8 with {weight_bits} bits"
    _set_metadata(model, {**read_metadata(floats), "quantization": quantization})
    file.write_bytes(model.SerializeToString())


def read_metadata(file: Path) -> dict[str, str]:
    """Return the `metadata_props` of a file."""
    model = onnx.load_model(file, load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def open_onnx(file: Path) -> Inference:
    """Open a file in ONNX Runtime, on one thread of a CPU."""
    options = onnxruntime.SessionOptions()
    # Idle threads of one session would spin while the other runs and distort its latency.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def infer(images: Images) -> Outputs:
        return dict(zip(names, session.run(None, {INPUT: images}), strict=True))

    return infer


def onnx_versions() -> dict[str, str]:
    """Return the versions of the packages that write and run ONNX files."""
    return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}


def _lower_to_opset_17(model: onnx.ModelProto) -> None:
    """Turn the axes of reductions into attributes; the graphs of faceml use no other operator that changed.

    The converters of `onnx` and `onnxscript` refuse this direction. `onnx.checker` checks the result.
    """
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        if node.op_type in REDUCTIONS and len(node.input) == 2:
            axes = values[node.input.pop()]
            kept = [attribute for attribute in node.attribute if attribute.name == "keepdims"]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("axes", axes.tolist())])
    (default,) = (entry for entry in model.opset_import if not entry.domain)
    default.version = 17


def _set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Replace all `metadata_props` of a model."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """Provide calibration images batch by batch."""

    def __init__(self, images: Iterable[Images]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the inputs of the next run, None after the last."""
        images = next(self._images, None)
        return None if images is None else {INPUT: images}
