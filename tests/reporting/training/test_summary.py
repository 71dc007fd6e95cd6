from faceml.reporting.training.summary import best_record, training_summary


def _records(*accuracies: float) -> list[dict[str, float]]:
    return [{"epoch": epoch, "val/accuracy": accuracy} for epoch, accuracy in enumerate(accuracies, start=1)]


def test_best_record__is_the_later_of_equals() -> None:
    assert best_record(_records(0.5, 0.7, 0.7, 0.6))["epoch"] == 3


def test_training_summary__has_the_best_and_the_last() -> None:
    summary = training_summary(_records(0.5, 0.7, 0.6), wall_s=1.234)
    assert (summary["epochs"], summary["wall_s"]) == (3, 1.23)
    assert (summary["best"]["epoch"], summary["last"]["epoch"]) == (2, 3)
