"""Classification: targets from tables, losses, metrics, groups and outputs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import ClassificationConfig
from faceml.datasets.mixing import Mix
from faceml.datasets.targets import Target
from faceml.tasks.classification import ClassificationTask

NAMES = ("no", "maybe", "yes")


def task_of(name: str = "smile", **settings: Any) -> ClassificationTask:
    return ClassificationTask(
        name, ClassificationConfig.model_validate({"kind": "classification", **settings})
    )


def table(**columns: Any) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({"image_id": [f"0/{i}.jpg" for i in range(count)], **columns})


def labels_in(target: Target) -> list[int | None]:
    return [int(v) if known else None for v, known in zip(target.values, target.known, strict=True)]


def test_read__of_folders_are_the_expressions_by_number_or_name() -> None:
    target = task_of("expression").read(table(folder=["3", "happy", "0", "Contempt", None]), "table")
    assert labels_in(target) == [3, 1, 0, 7, None]
    assert target.values.dtype == torch.int64


@pytest.mark.parametrize(
    "values", [["no", "yes", None, "Maybe "], [0, 2, None, 1], pa.array([0.0, 2.0, None, 1.0])]
)
def test_read__of_a_column_by_names_or_numbers_with_empty_cells(values: Any) -> None:
    target = task_of(target="smiles", classes=NAMES).read(table(smiles=values), "table")
    assert labels_in(target) == [0, 2, None, 1]


def test_read__a_value_that_is_no_class_is_named_with_the_remedies() -> None:
    task = task_of(target="smiles", classes=NAMES)
    with pytest.raises(ConfigError) as error:
        task.read(table(smiles=["no", "grin", "grin"]), "labels.csv")
    message = str(error.value)
    assert message.startswith("labels.csv: column smiles: 'grin' (2 rows)")
    assert "tasks.smile.classes" in message
    assert "\n" not in message


def test_read__found_classes_are_those_of_the_training_split() -> None:
    task = task_of(target="smiles", classes="found")
    with pytest.raises(ConfigError, match=r"tasks\.smile\.classes: found: needs a training split"):
        task.build_head(4)
    task.learn(table(smiles=["yes", None, "no", "yes"]), "train")
    assert task.group_names == ("no", "yes")
    assert labels_in(task.read(table(smiles=["yes", None, "no"]), "val")) == [1, None, 0]
    with pytest.raises(ConfigError, match="'maybe'"):
        task.read(table(smiles=["maybe"]), "val")


def test_excluded__rows_of_classes_that_are_left_out() -> None:
    task, rows = task_of(leave_out=["contempt"]), table(folder=["7", "contempt", "2", "3"])
    (mask,) = task.excluded(rows, "table").values()
    assert mask.to_pylist() == [True, True, False, False]
    assert task.build_head(4).out_features == 7
    kept = rows.filter(pa.compute.invert(mask))
    assert labels_in(task.read(kept, "table")) == [2, 3]


VOTES = {
    "columns": {"no": [3, 0, 1, None, 0], "maybe": [1, 0, 1, 2, 4.0], "yes": [0, 5, 2, 1, 0]},
    "lists": {"votes": [[3, 1, 0], [0, 0, 5], [1, 1, 2], None, [0, 4, 0]]},
    "fixed": {
        "votes": pa.array([[3, 1, 0], [0, 0, 5], [1, 1, 2], None, [0, 4, 0]], pa.list_(pa.float32(), 3))
    },
}


@pytest.mark.parametrize("kind", VOTES)
def test_read__votes_become_shares(kind: str) -> None:
    target = ["no", "maybe", "yes"] if kind == "columns" else "votes"
    task = task_of(target=target, classes=NAMES)
    found = task.read(table(**VOTES[kind]), "table")
    assert found.known.tolist() == [True, True, True, False, True]
    expected = [[0.75, 0.25, 0], [0, 0, 1], [0.25, 0.25, 0.5], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(found.values, expected)
    assert found.values.dtype == torch.float32
    assert task.groups(found).tolist() == [0, 2, 2, -1, 1]
    assert task.group_counts(found) == [1, 1, 2]


@pytest.mark.parametrize("kind", VOTES)
def test_read__votes_without_a_class_that_is_left_out_are_shares_of_the_others(kind: str) -> None:
    target = ["no", "maybe", "yes"] if kind == "columns" else "votes"
    task = task_of(target=target, classes=NAMES, leave_out=["yes"])
    assert task.excluded(table(**VOTES[kind]), "table") == {}
    found = task.read(table(**VOTES[kind]), "table")
    assert found.known.tolist() == [True, False, True, False, True], "5 of 5 votes were left out"
    np.testing.assert_allclose(found.values, [[0.75, 0.25], [0, 0], [0.5, 0.5], [0, 0], [0, 1]])


def test_read__votes_of_columns_have_the_columns_as_found_classes() -> None:
    task = task_of(target=["yes", "no"], classes="found")
    task.learn(table(yes=[1], no=[3]), "train")
    assert task.group_names == ("yes", "no")
    np.testing.assert_allclose(task.read(table(yes=[1], no=[3]), "train").values, [[0.25, 0.75]])


def test_read__a_split_without_any_list_of_votes_has_no_target() -> None:
    found = task_of(target="votes", classes=NAMES).read(
        table(votes=pa.array([None, None], pa.list_(pa.int32()))), "val"
    )
    assert found.values.shape == (2, 3)
    assert not found.known.any()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"votes": [[1, 2, 3], [1, 2]]}, r"tasks\.smile\.target: column votes has lists of 2 to 3 values"),
        ({"votes": [[1, 2], [1, 2]]}, r"has votes for 2 classes, and there are 3: no, maybe, yes"),
        (
            {"votes": [["a", "b", "c"]]},
            r"tasks\.smile\.target: column votes has values of type string; numbers",
        ),
        ({"votes": [[1, -2, 3]]}, r"table: column votes: 0/0\.jpg has -2 votes for maybe"),
    ],
)
def test_read__wrong_votes_are_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_of(target="votes", classes=NAMES).read(table(**columns), "table")


def test_learn__lists_of_votes_have_no_names_to_find() -> None:
    with pytest.raises(ConfigError, match=r"tasks\.smile\.classes: found: column votes has lists of votes"):
        task_of(target="votes", classes="found").learn(table(votes=[[1, 2]]), "train")


def test_check_folder_names__a_permuted_order_is_caught() -> None:
    names = ["anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    with pytest.raises(
        ConfigError, match=r"folder 0 is 'anger' where tasks\.expression\.classes has 'neutral'"
    ):
        task_of("expression").check_folder_names(names)
    task_of("expression", classes=names).check_folder_names(names)
    task_of(target="smiles").check_folder_names(names)  # not made of folders
    task_of("expression", classes="found").check_folder_names(names)


def logits_and_labels(count: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 3, generator=generator)
    return (
        logits,
        torch.randint(3, (count,), generator=generator),
        torch.rand(count, generator=generator) > 0.3,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", ["none", "inverse_frequency"])
def test_build_loss__is_the_weighted_mean_over_known_rows(weights: str, smoothing: float) -> None:
    logits, labels, known = logits_and_labels()
    task = task_of(classes=NAMES, loss={"class_weights": weights, "label_smoothing": smoothing})
    training = Target(torch.tensor([0, 0, 0, 1, 1, 2, 2]), torch.tensor([True] * 6 + [False]))
    target = Target(labels, known)
    loss = task.build_loss(training)(logits.requires_grad_(), target, task.count(target))
    loss.backward()
    per_class = 6 / (3 * np.array([3, 2, 1])) if weights != "none" else np.ones(3)
    z, rows = logits.detach().double().numpy(), known.numpy()
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    q = ((1 - smoothing) * np.eye(3)[labels] + smoothing / 3) * per_class
    assert loss.item() == pytest.approx(-(q * log_p).sum(1)[rows].mean(), rel=1e-5)
    gradient = (q.sum(1, keepdims=True) * np.exp(log_p) - q) * rows[:, None] / rows.sum()
    np.testing.assert_allclose(logits.grad, gradient, atol=1e-6)


def test_build_metric__agrees_with_scikit_learn() -> None:
    logits, labels, known = logits_and_labels()
    metric = task_of(classes=NAMES).build_metric()
    for rows in torch.arange(60).split([25, 1, 34]):
        metric.update(logits[rows], Target(labels[rows], known[rows]))
    found = metric.compute()
    truth, scores = labels[known].numpy(), logits[known].double()
    predicted = scores.argmax(1).numpy()
    assert found["accuracy"].item() == pytest.approx(accuracy_score(truth, predicted))
    assert found["macro_f1"].item() == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found["confusion_matrix"].tolist() == confusion_matrix(truth, predicted).tolist()
    assert found["loss"].item() == pytest.approx(log_loss(truth, scores.softmax(1).numpy()), rel=1e-5)


def test_build_metric__macro_f1_leaves_out_classes_that_never_occur() -> None:
    metric = task_of("expression").build_metric()
    labels = torch.tensor([0, 0, 1, 1])
    metric.update(torch.eye(8)[[0, 0, 1, 2]], Target(labels, torch.ones(4, dtype=torch.bool)))
    # F1 of classes 0, 1, 2: 1, 2/3 (precision 1, recall 1/2), 0 (predicted, never true).
    assert metric.compute()["macro_f1"].item() == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_build_metric__of_distributions_counts_their_most_frequent_class() -> None:
    logits, labels, _ = logits_and_labels(4)
    shares, known = torch.eye(3)[labels] * 0.6 + 0.4 / 3, torch.ones(4, dtype=torch.bool)
    metric, hard = task_of(classes=NAMES).build_metric(), task_of(classes=NAMES).build_metric()
    metric.update(logits, Target(shares, known))
    hard.update(logits, Target(labels, known))
    found, expected = metric.compute(), hard.compute()
    for name in ("accuracy", "macro_f1", "confusion_matrix"):
        torch.testing.assert_close(found[name], expected[name])
    log_p = logits.double().log_softmax(1)
    assert found["loss"].item() == pytest.approx(-(shares * log_p).sum(1).mean().item(), rel=1e-5)


def test_intervals__are_those_of_the_confusion_matrix() -> None:
    task = task_of(classes=["no", "yes"])
    low, high = task.intervals({"confusion_matrix": [[40, 10], [5, 45]]})["accuracy"]
    share, z = 0.85, 1.959964
    middle = (share + z**2 / 200) / (1 + z**2 / 100)
    margin = z / (1 + z**2 / 100) * np.sqrt(share * (1 - share) / 100 + z**2 / 40000)
    assert (low, high) == pytest.approx((middle - margin, middle + margin), rel=1e-5)  # Wilson's
    assert task.intervals({"confusion_matrix": [[0, 0], [0, 0]]}) == {}


def test_outputs__are_probabilities_and_logits_by_unique_names() -> None:
    logits, _, _ = logits_and_labels(2)
    found = task_of(classes=NAMES).outputs(logits.bfloat16())
    assert list(found) == ["smile_probabilities", "smile_logits"]
    assert all(values.dtype == torch.float32 for values in found.values())
    torch.testing.assert_close(found["smile_probabilities"], logits.bfloat16().float().softmax(1))
    assert list(task_of("expression").outputs(torch.zeros(2, 8))) == ["probabilities", "logits"]
    assert task_of(classes=NAMES).contract() == {"classes": list(NAMES)}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mix__the_loss_is_the_weighted_mean_of_the_losses_for_both_classes(smoothing: float) -> None:
    loss = {"class_weights": "inverse_frequency", "label_smoothing": smoothing}
    task = ClassificationTask(
        "task", ClassificationConfig(kind="classification", classes=("a", "b", "c"), loss=loss)
    )
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    known = torch.tensor([True, True, True, True, False])
    mix = Mix(torch.tensor([1, 2, 0, 4, 3]), torch.tensor([0.25, 0.5, 1.0, 0.5, 0.5]))
    target = Target(labels, known)
    mixed = task.mix(target, mix)
    # Images 3 and 4 are a mix of a known class with an unknown one.
    assert mixed.known.tolist() == [True, True, True, False, False]
    criterion = task.build_loss(target)

    def losses(values: torch.Tensor) -> torch.Tensor:
        rows = [Target(values[i : i + 1], torch.tensor([True])) for i in range(3)]
        return torch.stack(
            [criterion(logits[i : i + 1], row, torch.tensor(1.0)) for i, row in enumerate(rows)]
        )

    shares = mix.shares[:3]
    expected = shares * losses(labels) + (1 - shares) * losses(labels[mix.partners])
    torch.testing.assert_close(losses(mixed.values), expected)


def test_mix__of_votes_is_the_mean_of_the_distributions() -> None:
    task = ClassificationTask("task", ClassificationConfig(kind="classification", classes=("a", "b")))
    votes = Target(torch.tensor([[1.0, 0.0], [0.2, 0.8]]), torch.tensor([True, True]))
    mixed = task.mix(votes, Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.5])))
    torch.testing.assert_close(mixed.values, torch.tensor([[0.8, 0.2], [0.6, 0.4]]))
