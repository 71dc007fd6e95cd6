"""Table, score line and figure of a confusion matrix."""

import numpy as np
from rich.console import Console

from faceml.metrics.confusion import ConfusionMatrix
from faceml.page.chart import png
from faceml.tasks.chapters.confusion import classes_table, confusion_figure, scores_line

NAMES = ("neutral", "happy", "fear", "contempt")
CONFUSION = ConfusionMatrix(np.array([[40, 10, 0, 0], [5, 45, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0]]))


def test_classes_table__has_shares_with_intervals_and_dashes_for_undefined_ones() -> None:
    rows = classes_table(CONFUSION, NAMES, "", "expression").rows
    assert list(rows[0][:2]) == ["neutral", "50"]
    assert rows[0][2].replace("\N{NO-BREAK SPACE}", " ") == "80.0 %"
    # Wilson, 40 of 50
    assert rows[0][3].replace("\N{NO-BREAK SPACE}", " ") == "67.0–88.8 %"
    assert rows[0][4].replace("\N{NO-BREAK SPACE}", " ") == "87.0 %"
    # Wilson, 40 of 46
    assert rows[0][5].replace("\N{NO-BREAK SPACE}", " ") == "74.3–93.9 %"
    assert rows[0][6] == "0.833"
    assert rows[2][2].startswith("0.0")
    assert list(rows[2][4:]) == ["–", "–", "0.000"]
    assert list(rows[3][1:]) == ["0", "–", "–", "–", "–", "–"]


def test_classes_table__has_a_row_for_each_class_on_the_terminal() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(classes_table(CONFUSION, NAMES, "Each expression", "expression"))
    text = console.export_text()
    assert "Each expression" in text
    assert all(name in text for name in NAMES)
    assert [row[0] for row in classes_table(CONFUSION, NAMES, "Each", "expression").rows] == list(NAMES)


def test_scores_line__accuracy_and_macro_f1_with_intervals() -> None:
    line = scores_line(CONFUSION).replace("\N{NO-BREAK SPACE}", " ")
    assert line.startswith("Accuracy 81.7 % (95 % interval 73.2–88.0 %), macro-F1 0.556 ")
    assert line.endswith("on 104 images.")


def test_confusion_figure__shades_are_the_shares_of_each_row() -> None:
    figure = confusion_figure(CONFUSION, NAMES, "age class")
    (axes,) = figure.axes
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array())[0], [0.8, 0.2, 0, 0])
    assert sorted(text.get_text() for text in axes.texts) == sorted(["40", "10", "5", "45", "1", "3"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted age class", "true age class")
    assert png(figure).startswith(b"\x89PNG")
