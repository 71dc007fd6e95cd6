"""Regression: numbers from tables, their scale and range, losses, metrics, intervals and flips."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import RegressionConfig
from faceml.datasets.augmentation import Moves
from faceml.datasets.targets import Target
from faceml.tasks.regression import RegressionTask

ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def task_of(target: Any = ("valence", "arousal"), name: str = "affect", **settings: Any) -> RegressionTask:
    raw = {"kind": "regression", "target": target, **settings}
    return RegressionTask(name, RegressionConfig.model_validate(raw))


def table(**columns: Any) -> pa.Table:
    return pa.table({"image_id": ["a.jpg", "b.jpg", "c.jpg"], **columns})


def drawn(count: int = 50, numbers: int = 2) -> tuple[torch.Tensor, Target]:
    """Outputs of a head, and numbers that they follow loosely, some of them unknown and NaN."""
    generator = torch.Generator().manual_seed(0)
    output, noise = torch.randn(2, count, numbers, generator=generator)
    known = torch.rand(count, generator=generator) > 0.3
    values = (0.6 * output + 0.5 * noise + 0.1).where(known[:, None], torch.nan)
    return output, Target(values, known)


def ccc_by_hand(x: Any, y: Any) -> Any:
    """Lin's, of each column, with moments over n."""
    covariance = ((x - x.mean(0)) * (y - y.mean(0))).mean(0)
    return 2 * covariance / (x.var(0) + y.var(0) + (x.mean(0) - y.mean(0)) ** 2)


def test_read__rows_with_all_numbers_are_known() -> None:
    rows = table(valence=[0.5, None, -1], arousal=pa.array([1.0, 0.0, float("nan")]))
    target = task_of().read(rows, "labels.csv")
    assert target.known.tolist() == [True, False, False]
    np.testing.assert_allclose(target.values, [[0.5, 1], [0, 0], [0, 0]])
    assert target.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("valence", "message"),
    [
        (
            [0.5, -1.5, 9],
            r"^tasks\.affect\.range: 2 images have values outside \[-1, 1\], such as -1\.5 in colu",
        ),
        (["0", "1", "1"], r"^tasks\.affect\.target: column valence has values of type string; numbers"),
        ([[0.5], [1], [2]], r"^tasks\.affect\.target: column valence has values of type list"),
    ],
)
def test_read__a_wrong_value_is_named(valence: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_of(range=(-1, 1)).read(table(valence=valence, arousal=[0, 0, 0]), "labels.csv")


def test_read__head_pose_keeps_all_angles_after_its_own_numbers() -> None:
    task = task_of(["roll_deg", "valence"], "mixed")
    assert task.columns == ["roll_deg", "valence", *ANGLES]
    rows = table(roll_deg=[3, 3, None], valence=[0.5] * 3, yaw_deg=[1, 1, None], pitch_deg=[2, None, None])
    target = task.read(rows, "table")
    assert target.known.tolist() == [True, False, False]
    assert target.values[0].tolist() == [3, 0.5, 1, 2, 3]
    assert task.build_head(8).out_features == 2


def test_move__negates_the_named_columns_of_flipped_images() -> None:
    values = torch.tensor([[0.5, 0.25], [0.5, 0.25]])
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]]).repeat(2, 1, 1)
    moves = Moves(torch.tensor([True, False]), turn, torch.ones(2, 2))
    found = task_of(["gaze_x", "gaze_y"], negate_on_flip=["gaze_x"]).move(values, moves)
    assert found.tolist() == [[-0.5, 0.25], [0.5, 0.25]]
    assert torch.equal(task_of().move(values, moves), values)


def test_move__angles_of_the_head_follow_flips_and_rotations_and_other_numbers_do_not() -> None:
    task = task_of(["roll_deg", "valence"], "mixed")
    values = torch.tensor([[5.0, 0.5, 10.0, 4.0, 5.0]])
    flip = Moves(torch.tensor([True]), torch.eye(2)[None], torch.zeros(1, 2))
    torch.testing.assert_close(task.move(values, flip), torch.tensor([[-5.0, 0.5, -10.0, 4.0, -5.0]]))
    turn = torch.deg2rad(torch.tensor(20.0))
    rotation = torch.tensor([[turn.cos(), -turn.sin()], [turn.sin(), turn.cos()]])[None]
    moved = task.move(values, Moves(torch.tensor([False]), rotation, torch.zeros(1, 2)))[0]
    assert moved[0].item() == moved[4].item() == pytest.approx(25, abs=1)
    assert moved[1].item() == 0.5


@pytest.mark.parametrize(
    ("settings", "center", "scale"),
    [
        ({}, 0, 1),
        ({"scale": 90.0}, 0, 90),
        ({"range": (2, 10)}, 6, 4),
        ({"range": (2, 10), "scale": 2.0}, 6, 2),
    ],
)
def test_build_loss__is_the_mean_over_known_scaled_numbers(
    settings: dict[str, Any], center: float, scale: float
) -> None:
    output, target = drawn()
    task = task_of(**settings)
    target = target._replace(values=target.values * scale + center)
    value = task.build_loss()(output.requires_grad_(), target, task.count(target))
    value.backward()
    rows = target.known.numpy()
    errors = (output - (target.values - center) / scale).detach().double().numpy()[rows]
    assert value.item() == pytest.approx((errors**2).mean(), rel=1e-4)
    expected = np.zeros(output.shape)
    expected[rows] = 2 * errors / errors.size
    np.testing.assert_allclose(output.grad, expected, atol=1e-5)
    torch.testing.assert_close(
        task.numbers_of(output), (output * scale + center).clamp(*settings.get("range", (-1e9, 1e9)))
    )


def test_build_loss__of_head_pose_ignores_the_angles_that_it_does_not_predict() -> None:
    task = task_of(["yaw_deg"], "yaw", scale=90.0)
    values = torch.tensor([[45.0, 45.0, 80.0, 70.0]])
    target = Target(values, torch.tensor([True]))
    loss = task.build_loss()(torch.zeros(1, 1), target, task.count(target))
    assert loss.item() == pytest.approx(0.25)


def test_build_loss__ccc_is_1_minus_that_of_the_known_rows_with_its_gradient() -> None:
    output, target = drawn()
    task = task_of(loss={"kind": "ccc"})
    value = task.build_loss()(output.requires_grad_(), target, task.count(target))
    value.backward()
    rows = target.known.numpy()
    x, y = output.detach().double().numpy()[rows], target.values.double().numpy()[rows]
    assert value.item() == pytest.approx(1 - ccc_by_hand(x, y).mean(), rel=1e-5)
    step, gradient = 1e-5, np.zeros(output.shape)
    for place, row in enumerate(np.flatnonzero(rows)):
        for column in range(2):
            ends = [x.copy(), x.copy()]
            ends[0][place, column] -= step
            ends[1][place, column] += step
            low, high = (1 - ccc_by_hand(end, y).mean() for end in ends)
            gradient[row, column] = (high - low) / (2 * step)
    np.testing.assert_allclose(output.grad, gradient, atol=1e-6)


def test_build_loss__ccc_of_large_numbers_keeps_its_precision() -> None:
    output, target = drawn()
    target = target._replace(values=target.values + 3000)
    task = task_of(loss={"kind": "ccc"})
    value = task.build_loss()(output + 3000, target, task.count(target))
    rows = target.known.numpy()
    x, y = (output + 3000).double().numpy()[rows], target.values.double().numpy()[rows]
    assert value.item() == pytest.approx(1 - ccc_by_hand(x, y).mean(), rel=1e-4)


@pytest.mark.parametrize("kind", ["mse", "ccc"])
def test_build_metric__agrees_with_scikit_learn_in_the_units_of_the_columns(kind: str) -> None:
    output, target = drawn()
    task = task_of(range=(-3, 5), loss={"kind": kind})
    target = target._replace(values=(target.values * 4 + 1).clamp(-3, 5))
    metric = task.build_metric()
    for rows in torch.arange(50).split([20, 1, 29]):
        metric.update(output[rows], Target(*(part[rows] for part in target)))
    found, known = metric.compute(), target.known
    y, x = target.values[known].double().numpy(), (output[known] * 4 + 1).clamp(-3, 5).double().numpy()
    ccc = ccc_by_hand(x, y)
    assert found["mae"].item() == pytest.approx(mean_absolute_error(y, x), rel=1e-5)
    assert found["rmse"].item() == pytest.approx(root_mean_squared_error(y.ravel(), x.ravel()), rel=1e-5)
    assert found["ccc"].item() == pytest.approx(ccc.mean(), rel=1e-4)
    for column, name in enumerate(("valence", "arousal")):
        assert found[f"mae_{name}"].item() == pytest.approx(np.abs(x - y)[:, column].mean(), rel=1e-5)
        assert found[f"ccc_{name}"].item() == pytest.approx(ccc[column], rel=1e-4)
    errors = (output - (target.values - 1) / 4)[known].double().numpy()
    loss = (errors**2).mean() if kind == "mse" else 1 - ccc.mean()
    assert found["loss"].item() == pytest.approx(loss, rel=1e-4)
    assert found["images"].item() == known.sum().item()


def test_scores__the_loss_ccc_is_selected_by_itself() -> None:
    first = [task_of(loss={"kind": kind}).scores[0] for kind in ("mse", "smooth_l1", "ccc")]
    assert [(score.metric, score.minimised) for score in first] == [
        ("mae", True),
        ("mae", True),
        ("ccc", False),
    ]


@pytest.mark.parametrize("columns", [1, 3])
def test_intervals__of_the_mean_absolute_error_cover_it(columns: int) -> None:
    rng, task = np.random.default_rng(columns), task_of([f"c{i}" for i in range(columns)])
    scale = np.arange(1, columns + 1)  # the columns of an image share half of their errors
    true_mae, covered = scale.mean() * np.sqrt(2 / np.pi), 0
    for _ in range(300):
        shared, own = rng.normal(size=(25, 1)), rng.normal(size=(25, columns))
        errors = torch.tensor(scale * (shared + own) / np.sqrt(2))
        metric = task.build_metric()
        metric.update(errors, Target(torch.zeros(25, columns), torch.ones(25, dtype=torch.bool)))
        found = {name: value.item() for name, value in metric.compute().items()}
        low, high = task.intervals(found)["mae"]
        covered += low <= true_mae <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_intervals__need_two_images() -> None:
    results = {"mae": 0.5, "mae_deviation": None, "images": 1.0}
    assert task_of().intervals(results) == {}


def test_outputs__are_numbers_in_their_range_under_the_tasks_name() -> None:
    output = torch.tensor([[0.5, 2.0]]).bfloat16()
    found = task_of(range=(0, 10)).outputs(output)
    assert list(found) == ["affect"]
    assert found["affect"].tolist() == [[7.5, 10]]
    assert task_of().contract()["columns"] == ["valence", "arousal"]
