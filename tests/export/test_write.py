"""Files of an export: written only if their outputs match PyTorch's, and the packages they need."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from faceml.export import write
from faceml.export.comparison import random_batches
from faceml.export.exportable import Exportable
from faceml.export.graph import MultitaskGraph
from faceml.export.write import write_models
from tests.export.conftest import SHAPES


class DifferentWhenExported(MultitaskGraph):
    """Graph whose landmarks are shifted while it is traced."""

    def compute_outputs(self, squares: Tensor) -> tuple[Tensor, ...]:
        outputs = dict(zip(self.outputs, super().compute_outputs(squares), strict=True))
        outputs["landmarks"] = outputs["landmarks"] + 0.01 * torch.compiler.is_exporting()
        return tuple(outputs.values())


@pytest.mark.parametrize(
    ("formats", "message"),
    [(["exported_program"], "model.pt2: not written"), (["onnx", "exported_program"], "model.onnx: not")],
)
def test_write_models__different_outputs_leave_no_file(
    exportable: Exportable, formats: list[str], message: str, tmp_path: Path
) -> None:
    graph = DifferentWhenExported(exportable.graph.network, exportable.preprocessing, exportable.tasks).eval()
    with pytest.raises(StoppedError, match=r"landmarks by 0\.01; allowed is 0\.0001") as stopped:
        write_models(exportable._replace(graph=graph), formats, 18, list(random_batches(32, 0)), tmp_path)
    assert str(stopped.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_write_models__writes_the_requested_formats_and_returns_differences(
    exportable: Exportable, tmp_path: Path
) -> None:
    differences = write_models(exportable, ["exported_program"], 18, list(random_batches(32, 0)), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]
    assert differences["model.pt2"].keys() == SHAPES.keys()
    assert max(differences["model.pt2"].values()) < 1e-5


def test_refuse_missing_packages__names_the_extra_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    write.refuse_missing_packages(["onnx", "exported_program"])
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    write.refuse_missing_packages(["exported_program"])
    with pytest.raises(ConfigError, match=r"pip install 'faceml\[export\]'") as refused:
        write.refuse_missing_packages(["onnx"])
    assert "\n" not in str(refused.value)
