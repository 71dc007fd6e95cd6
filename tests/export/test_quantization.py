"""The int8 copy: integers in the backbone alone, weights that fit, the same inputs and outputs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from faceml.export.onnx_file import open_onnx, read_metadata
from faceml.export.quantization import write_int8
from faceml.export.random_images import random_batches


@pytest.fixture(scope="module")
def int8_file(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("int8") / "model_int8.onnx"
    write_int8(onnx_file, random_batches(32, 0), 7, written)
    return written


def test_write_int8__is_a_quarter_of_the_size_and_answers_nearly_alike(
    onnx_file: Path, int8_file: Path
) -> None:
    assert int8_file.stat().st_size < 0.3 * onnx_file.stat().st_size
    floats, int8 = open_onnx(onnx_file), open_onnx(int8_file)
    for images in random_batches(32, 1):
        expected, found = floats(images), int8(images)
        assert expected.keys() == found.keys()
        spread = np.ptp(expected["embedding"])
        assert np.abs(found["embedding"] - expected["embedding"]).max() < 0.2 * spread
        assert np.abs(found["embedding"] - expected["embedding"]).max() > 0


def test_write_int8__leaves_preprocessing_and_linear_layers_as_they_are(int8_file: Path) -> None:
    graph = onnx.load_model(int8_file).graph
    producers = {output: node.op_type for node in graph.node for output in node.output}
    for node in graph.node:
        sources = {producers.get(name) for name in node.input}
        if node.op_type in ("Resize", "Sub", "Div", "Gemm", "Softmax"):
            assert "DequantizeLinear" not in sources, node.name
        if node.op_type == "Conv":
            assert sources == {"DequantizeLinear"}, node.name


def test_write_int8__weights_are_integers_of_7_bits_with_a_scale_for_each_channel(int8_file: Path) -> None:
    tensors = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_model(int8_file).graph.initializer
    }
    weights = {name: values for name, values in tensors.items() if values.ndim == 4}
    assert len(weights) == 20
    for name, values in weights.items():
        assert values.dtype == np.int8, name
        assert np.abs(values.astype(int)).max() <= 64, name
    scales = [values for name, values in tensors.items() if name.endswith("conv1.weight_scale")]
    assert scales
    assert all(values.shape in {(64,), (128,), (256,), (512,)} for values in scales)


def test_write_int8__keeps_what_the_file_says_of_itself(onnx_file: Path, int8_file: Path) -> None:
    metadata = read_metadata(int8_file)
    assert metadata.pop("quantization").startswith("static QDQ, per channel")
    assert metadata == read_metadata(onnx_file)
