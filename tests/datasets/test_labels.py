import pytest

from faceml.datasets.labels import EXPRESSIONS, expression_label


@pytest.mark.parametrize(
    ("label", "name"),
    list(enumerate(["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"])),
)
def test_expression_label__number_and_name_mean_the_same(label: int, name: str) -> None:
    assert EXPRESSIONS[label] == name
    for folder in (str(label), name, name.capitalize(), name.upper()):
        assert expression_label(folder) == label


@pytest.mark.parametrize("folder", ["8", "-1", "00", "", "happiness", "person_1", "1.0", "٣"])
def test_expression_label__other_folders_have_none(folder: str) -> None:
    assert expression_label(folder) is None
