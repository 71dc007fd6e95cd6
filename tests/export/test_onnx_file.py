"""The ONNX file in ONNX Runtime, against PyTorch; what it says of itself; a wrong one is found."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from torch.export import ExportedProgram

from faceml.datasets.labels import EXPRESSIONS
from faceml.errors import StoppedError
from faceml.export.agreement import eager, largest_differences, refuse_differences
from faceml.export.exportable import Exportable
from faceml.export.onnx_file import open_onnx, read_metadata, write_onnx
from faceml.export.random_images import random_batches
from faceml.tables.schema import LANDMARK_SETS


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 1, 1), (4, 33, 120), (7, 300, 257), (3, 480, 640)])
def test_open_onnx__answers_as_pytorch_for_any_batch_and_size(
    exportable: Exportable, onnx_file: Path, shape: tuple[int, int, int]
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, found = eager(exportable.graph)(images), open_onnx(onnx_file)(images)
    assert found.keys() == {"probabilities", "logits", "landmarks", "embedding"}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5, err_msg=name)


def test_write_onnx__declares_what_a_decoder_gives_and_leaves_batch_and_size_open(onnx_file: Path) -> None:
    model = onnx.load_model(onnx_file)
    (declared,) = model.graph.input
    kind = declared.type.tensor_type
    assert (declared.name, kind.elem_type) == ("images", onnx.TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in kind.shape.dim] == ["batch", "height", "width", 3]
    shapes = {
        output.name: [d.dim_param or d.dim_value for d in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }
    assert shapes == {
        "probabilities": ["batch", 8],
        "logits": ["batch", 8],
        "landmarks": ["batch", 10, 2],
        "embedding": ["batch", 16],
    }
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]


def test_write_onnx__says_what_its_outputs_mean(exportable: Exportable, onnx_file: Path) -> None:
    metadata = read_metadata(onnx_file)
    assert json.loads(metadata["labels"]) == list(EXPRESSIONS)
    assert json.loads(metadata["landmark_names"]) == list(LANDMARK_SETS[10].names)
    assert json.loads(metadata["preprocessing"]) == exportable.preprocessing.fingerprint()
    assert metadata["opset"] == "18"
    assert metadata["faceml_version"] == "0.1.0"
    assert "whole decoded images" in metadata["input"]


def test_write_onnx__of_another_opset_answers_alike(
    exportable: Exportable, program: ExportedProgram, tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    write_onnx(program, exportable.graph, 21, exportable.metadata, file)
    assert [entry.version for entry in onnx.load_model(file).opset_import] == [21]
    refuse_differences(
        largest_differences(eager(exportable.graph), open_onnx(file), random_batches(32, 0)), file.name
    )


def test_refuse_differences__one_wrong_weight_of_a_copy_is_found(
    exportable: Exportable, onnx_file: Path, tmp_path: Path
) -> None:
    model = onnx.load_model(onnx_file)
    (stem,) = [values for values in model.graph.initializer if values.name.endswith("backbone.conv1.weight")]
    weights = numpy_helper.to_array(stem).copy()
    weights[3, 1, 2, 2] += 0.5
    stem.CopyFrom(numpy_helper.from_array(weights, stem.name))
    copy = tmp_path / "copy.onnx"
    onnx.save_model(model, copy)
    reference = eager(exportable.graph)
    refuse_differences(
        largest_differences(reference, open_onnx(onnx_file), random_batches(32, 0)), "as it is"
    )
    with pytest.raises(StoppedError, match=r"^copy\.onnx: is not written"):
        refuse_differences(
            largest_differences(reference, open_onnx(copy), random_batches(32, 0)), "copy.onnx"
        )


def test_refuse_differences__another_scaling_of_images_is_found(
    exportable: Exportable, onnx_file: Path, tmp_path: Path
) -> None:
    model = onnx.load_model(onnx_file)
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    for attribute in resize.attribute:
        if attribute.name in ("antialias", "exclude_outside"):
            attribute.i = 0
    copy = tmp_path / "copy.onnx"
    onnx.save_model(model, copy)
    found = largest_differences(eager(exportable.graph), open_onnx(copy), random_batches(32, 0))
    with pytest.raises(StoppedError):
        refuse_differences(found, "copy.onnx")
