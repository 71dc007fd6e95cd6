"""Exported files: outputs compared with PyTorch's, and the content of the report."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from rich.console import Console

from faceml.config.config_error import ConfigError
from faceml.config.export import ExportConfig
from faceml.config.loading import parse_config
from faceml.config.sections.model import ModelConfig
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.person_dataset import AlignedPreprocessing
from faceml.datasets.preprocessing import Preprocessing
from faceml.errors import StoppedError
from faceml.export import write
from faceml.images.decoding import decode_image
from faceml.models.recognition import FaceResNet
from faceml.storage.folder import StorageFolder
from faceml.tables.sorted_rows import read_table
from faceml.training.checkpoint import write_state
from ray_jobs.cli import main
from ray_jobs.local import export
from tests.browser.page import faults_of
from tests.random_model import OTHERS, PAIR, write_random_model

pytestmark = pytest.mark.usefixtures("narrow_backbone")

MODEL = {"backbone": "resnet18", "weights": "none", "embedding_dim": 16}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that never learned anything, in the run folder of its training."""
    file = tmp_path / "training" / "best_model.pt"
    write_random_model(file, PAIR, 32)
    return file


def settings_of(model: Path, faces: Path | None = None, **changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {"model": str(model), "run": {"folder": str(model.parents[1] / "export")}}
    if faces:
        raw["data"] = {"table": str(faces / "tables" / "val"), "images": str(faces / "images" / "val")}
    return raw | changes


def config(model: Path, faces: Path | None = None, **changes: Any) -> ExportConfig:
    return parse_config(ExportConfig, settings_of(model, faces, **changes))


def test_main__exports_checks_quantises_and_says_so(
    model: Path,
    noisy_faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file, folder = tmp_path / "export.yaml", tmp_path / "export"
    quantize = {"calibration_images": 24, "seed": 3}
    file.write_text(json.dumps(settings_of(model, noisy_faces, check_images=5, quantize=quantize)))
    monkeypatch.setattr("sys.argv", ["faceml", "export", "--config", str(file)])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capfd.readouterr()
    assert ended.value.code == 0, err
    assert out.splitlines()[-1] == f"Results: {folder}"
    assert "Checked on 12 batches of random images and 5 images" in out
    assert "Effect of int8 quantization on 40 images" in out
    assert "onnx_ir" not in err + out
    assert "pre-processing" not in err, "the quantiser has nothing to ask for"
    written = {"config.yaml", "model.onnx", "model.pt2", "model_int8.onnx", "report.html", "summary.json"}
    assert {entry.name for entry in folder.iterdir()} == written

    summary = json.loads((folder / "summary.json").read_text())
    assert summary["opset"] == 18
    assert summary["checked_on"] == {"random_batches": 12, "images": 5}
    for differences in summary["largest_difference"].values():
        assert max(differences.values()) <= summary["tolerance"] == 1e-4
    assert 0 < summary["difference_from_training"]["probabilities"] < 0.05
    assert summary["bytes"] == {
        name: (folder / name).stat().st_size for name in ("model.onnx", "model_int8.onnx", "model.pt2")
    }
    int8 = summary["int8"]
    assert int8["calibration_images"] == 24
    assert (int8["images"], int8["accuracy"]["count"]) == (40, 40)
    calibrated = np.random.default_rng(3).permutation(64)[:24]
    measured = sorted(set(range(64)) - set(calibrated.tolist()))
    for name, told in (("model.onnx", "floats"), ("model_int8.onnx", "int8")):
        assert int8["accuracy"][told] == pytest.approx(accuracy(folder / name, noisy_faces, measured))
    assert faults_of(folder / "report.html") == []
    report = (folder / "report.html").read_text()
    assert "Effect of int8 quantization on 40 images" in report
    assert "model_int8.onnx" in report


def accuracy(file: Path, faces: Path, indices: list[int]) -> float:
    """The share of images named rightly, by nothing but ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    dataset = FaceDataset(faces / "tables" / "val", faces / "images" / "val", 5, Preprocessing(32))
    hits = []
    for index in indices:
        image_id = dataset.image_ids[index]
        pixels = decode_image((faces / "images" / "val" / image_id).read_bytes())
        (logits,) = session.run(["logits"], {"images": np.asarray(pixels)[None]})
        hits.append(int(logits.argmax()) == int(image_id.partition("/")[0]))
    return float(np.mean(hits))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["formats=[torchscript]"], "'formats.0' = 'torchscript': must be 'onnx' or 'exported_program'"),
        (["formats=[]"], "formats: must not be empty; use onnx, exported_program or both"),
        (["opset=16"], "'opset' = 16: must be greater than or equal to 17"),
        (["data=null"], "quantize: calibration and measurement need images; set data"),
        (["formats=[exported_program]"], "quantize: needs the ONNX export; add onnx to formats"),
    ],
)
def test_main__tells_a_mistake_on_one_line(
    overrides: list[str],
    told: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sets = [word for override in [f"model={model}", *overrides] for word in ("--set", override)]
    monkeypatch.setattr("sys.argv", ["faceml", "export", "--config", "configs/export.yaml", *sets])
    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert [told in line for line in printed.splitlines()] == [True], printed


def test_run__without_the_extra_exports_what_needs_none_and_says_what_the_rest_needs(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^formats: onnx needs the package onnx: pip install"):
        export.run(config(model))
    result = export.run(config(model, formats=["exported_program"]))
    assert result.bytes_of.keys() == {"model.pt2"}
    assert result.opset is None
    console = Console(record=True, width=120)
    export.show(result, console)
    assert "model.pt2" in console.export_text()


def test_run__the_folder_of_a_training_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match=r"^run\.folder: .*training holds best_model\.pt of another job"):
        export.run(config(model, run={"folder": str(model.parent)}))
    assert [file.name for file in model.parent.iterdir()] == ["best_model.pt"]


def test_run__leaves_images_to_measure_on_or_is_refused(model: Path, noisy_faces: Path) -> None:
    quantize = {"calibration_images": 64}
    with pytest.raises(ConfigError, match=r"^quantize\.calibration_images = 64: data\.table has 64 images"):
        export.run(config(model, noisy_faces, quantize=quantize))
    assert not (model.parents[1] / "export").exists()


def test_run__what_an_earlier_export_left_is_gone_if_another_is_stopped(
    model: Path, noisy_faces: Path, tmp_path: Path
) -> None:
    export.run(config(model, formats=["exported_program"]))
    folder, images = tmp_path / "export", tmp_path / "images"
    shutil.copytree(noisy_faces / "images" / "val", images)
    (images / "3" / "011.jpg").unlink()
    data = {"table": str(noisy_faces / "tables" / "val"), "images": str(images)}
    with pytest.raises(StoppedError, match=r"^3/011\.jpg: missing"):
        export.run(config(model, data=data, check_images=64))
    assert [file.name for file in folder.iterdir()] == ["config.yaml"]


def test_run__into_a_store(
    model: Path, s3_uri: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    uri = s3_uri()
    export.run(config(model, formats=["exported_program"], run={"folder": uri}))
    names = {"config.yaml", "model.pt2", "report.html", "summary.json"}
    assert set(StorageFolder(uri).files()) == names


def test_run__recognition_gives_directions_of_aligned_faces(tmp_path: Path, noisy_faces: Path) -> None:
    torch.manual_seed(0)
    content = {
        "model_state_dict": FaceResNet(ModelConfig(embedding_dim=16)).state_dict(),
        "config": {"model": MODEL, "data": {"image_size": 32}},
        "preprocessing": AlignedPreprocessing(32).fingerprint(),
        "metrics": {},
    }
    file = tmp_path / "training" / "best_model.pt"
    write_state(content, file)
    result = export.run(config(file, noisy_faces, check_images=3, formats=["onnx"]))
    assert result.outputs == ("embedding",)
    # Aligned faces are as large as the network's square: nothing is scaled, nothing rounded.
    assert result.from_training["embedding"] < 1e-5
    session = onnxruntime.InferenceSession(
        str(tmp_path / "export" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"images": np.full((2, 32, 32, 3), 90, dtype=np.uint8)})
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    with pytest.raises(ConfigError, match=r"^quantize\.calibration_images = 64"):
        export.run(config(file, noisy_faces, quantize={"calibration_images": 64}))
    with pytest.raises(ConfigError, match=r"^data\.table: . people have two images or more"):
        export.run(config(file, noisy_faces, quantize={"calibration_images": 60}))
    loss = export.run(config(file, noisy_faces, quantize={"calibration_images": 8})).quantization
    assert loss is not None
    assert (loss.images, loss.metrics["accuracy"].label) == (56, "verification accuracy")
    assert abs(loss.metrics["accuracy"].difference) < 0.2


def test_run__of_other_tasks_measures_them_by_a_label_table(tmp_path: Path, noisy_faces: Path) -> None:
    file, labels = tmp_path / "training" / "best_model.pt", tmp_path / "labels.csv"
    tasks = {"happy": OTHERS["happy"], "affect": OTHERS["affect"]}
    write_random_model(file, tasks, 32)
    changes = {"formats": ["onnx"], "quantize": {"calibration_images": 44}, "check_images": 2}
    with pytest.raises(ConfigError, match="happy"):
        export.run(config(file, noisy_faces, **changes))
    rows = read_table(noisy_faces / "tables" / "val", ["image_id"])["image_id"].to_pylist()
    lines = [f"{name},{'yes' if name < '2' else 'no'},{i / 64},{-i / 64}" for i, name in enumerate(rows)]
    labels.write_text("\n".join(["image_id,happy,valence,arousal", *lines]))
    raw = settings_of(file, noisy_faces, **changes)
    raw["data"]["labels"] = str(labels)
    result = export.run(parse_config(ExportConfig, raw))
    assert result.outputs == ("happy_probabilities", "happy_logits", "affect", "embedding")
    summary = json.loads((tmp_path / "export" / "summary.json").read_text())
    assert summary["int8"]["happy/accuracy"]["count"] == summary["int8"]["affect/mae"]["count"] == 20
    assert "happy accuracy" in (tmp_path / "export" / "report.html").read_text()
