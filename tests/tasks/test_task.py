"""Predictions of a kind of task that defines nothing for them."""

from types import ModuleType

import numpy as np
import pyarrow as pa
import torch

from faceml.datasets.targets import Target
from faceml.tasks.build import describe_tasks


def test_predictions__of_another_kind_are_lists_of_its_outputs(ordinal: ModuleType) -> None:
    before = torch.random.get_rng_state()
    task = ordinal.OrdinalTask("age", ordinal.OrdinalConfig(kind="ordinal", target="age", levels=4))
    assert task.output_shapes == {"age": (3,)}
    assert torch.equal(torch.random.get_rng_state(), before), "random numbers of a training do not change"
    assert task.face_fields() == [pa.field("age", pa.list_(pa.float32(), 3))]
    values = {"age": np.array([0.875, 0.5, 0.1234567], dtype=np.float32)}
    assert np.array_equal(task.as_row(values)["age"], values["age"])
    assert task.as_plain(values) == {"age": [0.875, 0.5, 0.123457]}
    assert (task.caption(values), task.points) == ("", {})
    target = Target(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    assert task.compare(values, values, target) == []
    assert describe_tasks({"age": task}) == {"age": {"kind": "ordinal", "outputs": ["age"]}}
