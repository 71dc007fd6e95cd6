"""ONNX files in ONNX Runtime in comparison with PyTorch, their metadata, int8 quantization."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from torch.export import ExportedProgram

from faceml.config.sections.model import ModelConfig
from faceml.datasets.person_dataset import AlignedPreprocessing
from faceml.errors import StoppedError
from faceml.export.comparison import largest_differences, random_batches, refuse_differences
from faceml.export.exportable import Exportable, load_exportable
from faceml.export.graph import RecognitionGraph, eager_inference
from faceml.export.onnx_file import open_onnx, read_metadata, write_int8, write_onnx
from faceml.export.program import export_program
from faceml.images.framing import Framing
from faceml.models.recognition import FaceResNet
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.tasks.classes import AFFECTNET8
from faceml.training.trained_model import load_trained_model
from tests.export.conftest import SHAPES


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 1, 1), (4, 33, 120), (7, 300, 257), (3, 480, 640)])
def test_open_onnx__outputs_match_pytorch_for_any_batch_and_size(
    exportable: Exportable, onnx_file: Path, shape: tuple[int, int, int]
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, found = eager_inference(exportable.graph)(images), open_onnx(onnx_file)(images)
    assert found.keys() == SHAPES.keys()
    for name, values in expected.items():
        atol = 1e-5 * max(1, np.abs(values).max())  # angles are in degrees
        np.testing.assert_allclose(found[name], values, rtol=0, atol=atol, err_msg=name)


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
    assert shapes == {name: ["batch", *shape] for name, shape in SHAPES.items()}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]


def test_write_onnx__metadata_describe_inputs_and_outputs(exportable: Exportable, onnx_file: Path) -> None:
    metadata = read_metadata(onnx_file)
    assert json.loads(metadata["labels"]) == list(AFFECTNET8)
    assert json.loads(metadata["landmark_names"]) == list(LANDMARK_SETS[10].names)
    tasks = json.loads(metadata["tasks"])
    assert {name: task["kind"] for name, task in tasks.items()} == {
        "expression": "classification",
        "landmarks": "landmarks",
        "pose": "regression",
        "happy": "classification",
        "units": "multilabel",
        "affect": "regression",
    }
    assert [output for task in tasks.values() for output in task["outputs"]] == list(SHAPES)[:-1]
    assert (tasks["happy"]["classes"], tasks["affect"]["columns"]) == (["no", "yes"], ["valence", "arousal"])
    assert (tasks["units"]["labels"], tasks["units"]["threshold"]) == (["au01", "au02", "au04"], 0.55)
    assert json.loads(metadata["preprocessing"]) == exportable.preprocessing.fingerprint()
    assert metadata["opset"] == "18"
    assert metadata["faceml_version"] == "0.1.0"
    assert "one face framed as in training" in metadata["input"]


def test_write_onnx__metadata_frame_a_face_as_the_training_did(checkpoint: Path, onnx_file: Path) -> None:
    framing = json.loads(read_metadata(onnx_file)["framing"])
    expected = load_trained_model(checkpoint).framing
    assert expected is not None
    assert list(framing["landmarks"]) == list(LANDMARK_SETS[10].names)
    found = Framing.from_plain({**framing, "landmarks": framing["landmarks"].values()})
    points = np.random.default_rng(0).uniform(100, 300, (10, 2))
    assert found.box(points) == expected.box(points)


@pytest.mark.parametrize("kind", ["multitask", "recognition"])
def test_write_onnx__of_opset_17_gives_the_outputs_of_training(
    kind: str, checkpoint: Path, exportable: Exportable, tmp_path: Path
) -> None:
    older, newer = load_exportable(checkpoint, 17).graph, exportable.graph
    if kind == "recognition":
        network, preprocessing = FaceResNet(ModelConfig(embedding_dim=16)).eval(), AlignedPreprocessing(32)
        older, newer = (RecognitionGraph(network, preprocessing, has_resize=h).eval() for h in (False, True))
    file = tmp_path / "model.onnx"
    write_onnx(export_program(older), older, 17, exportable.metadata, file)
    model = onnx.load_model(file)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert "Resize" not in {node.op_type for node in model.graph.node}
    batches = random_batches(32, 0)
    found = largest_differences(eager_inference(newer), open_onnx(file), batches, is_relative=True)
    refuse_differences(found, file.name)


def test_write_onnx__another_opset_gives_the_same_outputs(
    exportable: Exportable, program: ExportedProgram, tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    write_onnx(program, exportable.graph, 21, exportable.metadata, file)
    assert [entry.version for entry in onnx.load_model(file).opset_import] == [21]
    batches, reference = random_batches(32, 0), eager_inference(exportable.graph)
    refuse_differences(largest_differences(reference, open_onnx(file), batches, is_relative=True), file.name)


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
    reference = eager_inference(exportable.graph)

    def compare(file: Path) -> None:
        found = largest_differences(reference, open_onnx(file), random_batches(32, 0), is_relative=True)
        refuse_differences(found, file.name)

    compare(onnx_file)
    with pytest.raises(StoppedError, match=r"^copy\.onnx: not written"):
        compare(copy)


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
    reference, batches = eager_inference(exportable.graph), random_batches(32, 0)
    found = largest_differences(reference, open_onnx(copy), batches, is_relative=True)
    with pytest.raises(StoppedError):
        refuse_differences(found, "copy.onnx")


@pytest.fixture(scope="module")
def int8_file(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("int8") / "model_int8.onnx"
    write_int8(onnx_file, random_batches(32, 0), 7, written)
    return written


def test_write_int8__is_a_quarter_of_the_size_and_outputs_nearly_equal(
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


def test_write_int8__keeps_the_metadata(onnx_file: Path, int8_file: Path) -> None:
    metadata = read_metadata(int8_file)
    assert metadata.pop("quantization").startswith("static QDQ, per channel")
    assert metadata == read_metadata(onnx_file)
