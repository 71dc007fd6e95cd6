"""Files get their names once all of them have answered as PyTorch does."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from faceml.errors import StoppedError
from faceml.export.exportable import Exportable
from faceml.export.graph import MultitaskGraph
from faceml.export.random_images import random_batches
from faceml.export.write import write_models


class UnlikeItself(MultitaskGraph):
    """Answers otherwise while it is exported."""

    def answer(self, squares: Tensor) -> tuple[Tensor, ...]:
        probabilities, logits, landmarks, embedding = super().answer(squares)
        return probabilities, logits, landmarks + 0.01 * torch.compiler.is_exporting(), embedding


@pytest.mark.parametrize(
    ("formats", "told"),
    [(["exported_program"], "model.pt2: is not written"), (["onnx", "exported_program"], "model.onnx: is")],
)
def test_write_models__one_that_answers_otherwise_leaves_nothing(
    exportable: Exportable, formats: list[str], told: str, tmp_path: Path
) -> None:
    graph = UnlikeItself(exportable.graph.network, exportable.preprocessing).eval()
    with pytest.raises(StoppedError, match=r"landmarks by 0\.01; allowed is 0\.0001") as stopped:
        write_models(exportable._replace(graph=graph), formats, 18, list(random_batches(32, 0)), tmp_path)
    assert str(stopped.value).startswith(told)
    assert list(tmp_path.iterdir()) == []


def test_write_models__writes_the_formats_asked_for_and_tells_each_difference(
    exportable: Exportable, tmp_path: Path
) -> None:
    differences = write_models(exportable, ["exported_program"], 18, list(random_batches(32, 0)), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]
    assert differences["model.pt2"].keys() == {"probabilities", "logits", "landmarks", "embedding"}
    assert max(differences["model.pt2"].values()) < 1e-5
