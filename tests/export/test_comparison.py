"""Comparison of outputs: largest differences, shapes, names, NaN, and the tolerance."""

import numpy as np
import pytest

from faceml.errors import StoppedError
from faceml.export.comparison import largest_differences, refuse_differences
from faceml.export.graph import Images, Inference, Outputs

BATCHES: list[Images] = [np.full((2, 4, 4, 3), value, dtype=np.uint8) for value in (1, 3, 2)]


def model(factor: float, shape: tuple[int, ...] = (2, 3), name: str = "logits") -> Inference:
    def infer(images: Images) -> Outputs:
        return {name: np.full(shape, factor * images.mean(), dtype=np.float32)}

    return infer


def test_largest_differences__are_those_of_the_worst_batch() -> None:
    assert largest_differences(model(1.0), model(1.5), BATCHES) == {"logits": pytest.approx(1.5)}
    assert largest_differences(model(1.0), model(1.0), BATCHES) == {"logits": 0.0}


def test_largest_differences__are_relative_to_values_above_one() -> None:
    """A difference of 90° · 1e-6 is as good as one of 1e-6."""
    for factor, expected in ((1.0, 3 * 1e-3 / 3), (0.1, 0.3 * 1e-3), (90.0, 1e-3)):
        found = largest_differences(model(factor), model(1.001 * factor), BATCHES, is_relative=True)
        assert found == {"logits": pytest.approx(expected, rel=1e-3)}


@pytest.mark.parametrize(
    "other",
    [model(1.0, shape=(2, 1)), model(1.0, shape=(3,)), model(1.0, name="probabilities")],
)
def test_largest_differences__another_shape_or_name_is_never_alike(other: Inference) -> None:
    found = largest_differences(model(1.0), other, BATCHES)
    assert found == {"logits": np.inf}
    with pytest.raises(StoppedError, match="logits by inf"):
        refuse_differences(found, "model.onnx")


def test_largest_differences__one_nan_is_not_lost_among_numbers() -> None:
    def broken(images: Images) -> Outputs:
        return {"logits": np.full((2, 3), np.nan if images.mean() == 3 else images.mean(), np.float32)}

    found = largest_differences(model(1.0), broken, BATCHES)
    assert np.isnan(found["logits"])
    with pytest.raises(StoppedError, match="logits by nan"):
        refuse_differences(found, "model.onnx")


def test_refuse_differences__names_those_beyond_the_tolerance_alone() -> None:
    refuse_differences({"logits": 1e-4, "landmarks": 0.0}, "model.onnx")
    with pytest.raises(StoppedError, match=r"^model\.onnx: not written.*: logits by 0\.00011; allowed"):
        refuse_differences({"logits": 1.1e-4, "landmarks": 9e-5}, "model.onnx")


def test_refuse_differences__no_comparison_is_refused() -> None:
    with pytest.raises(StoppedError):
        refuse_differences({}, "model.onnx")
