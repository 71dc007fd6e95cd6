"""Names of tasks that would be those of something else."""

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from faceml.config.sections.tasks import TasksConfig, parse_tasks
from faceml.export.graph import INPUT
from faceml.prediction.prediction_files import prediction_schema, prediction_table_schema
from faceml.tasks.build import build_tasks
from tests.random_model import MESH, OTHERS, WITH_POSE

TASKS = TypeAdapter(TasksConfig)
LANDMARKS = {"kind": "landmarks"}


def names_of(schema: pa.Schema) -> set[str]:
    return {*schema.names, *(field.name for field in schema.field("faces").type.value_type)}


def columns_and_outputs() -> list[str]:
    """Return the columns of predictions without a task, and what there is beside tasks in exports."""
    schemas = prediction_schema({}, 1), prediction_table_schema({}, 1, {})
    return sorted({INPUT, "embedding"}.union(*map(names_of, schemas)))


def test_tasks__have_no_name_of_a_column_or_an_output() -> None:
    assert {"box", "image", "image_id", "yaw_deg", "images"} <= set(columns_and_outputs())
    for name in [*columns_and_outputs(), "probabilities", "logits", "happy_logits", "landmark"]:
        with pytest.raises(ValidationError, match=f"'{name}' cannot name a task: .* Choose another one"):
            TASKS.validate_python({name: LANDMARKS})


@pytest.mark.parametrize("name", ["Pose", "2d", "head-pose", "", 7])
def test_tasks__are_named_as_variables(name: str | int) -> None:
    with pytest.raises(ValidationError, match="cannot name a task: use lower-case letters"):
        TASKS.validate_python({name: LANDMARKS})


def test_tasks__columns_and_outputs_of_all_kinds_are_different() -> None:
    tasks = build_tasks(parse_tasks(dict(WITH_POSE | OTHERS | MESH)))
    columns = [field.name for task in tasks.values() for field in task.face_fields()]
    outputs = [name for task in tasks.values() for name in task.output_shapes]
    for names in (columns, outputs):
        assert len({*names, *columns_and_outputs()}) == len(names) + len(columns_and_outputs())
