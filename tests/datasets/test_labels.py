import pytest

from faceml.config.config_error import ConfigError
from faceml.datasets.labels import EXPRESSIONS, expression_label, refuse_other_order


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


def test_refuse_other_order__affectnets_order_passes() -> None:
    refuse_other_order(["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            sorted(EXPRESSIONS),
            r"folder 0 is 'anger' where AffectNet has 'neutral' \(this is alphabetical order",
        ),
        (
            ["neutral", "happy", "sad", "surprise", "fear", "anger", "disgust", "contempt"],
            r"folder 5 is 'anger' where AffectNet has 'disgust'\. Name the folders",
        ),
        (["neutral", "joy"], "neutral, joy: must be the eight of neutral, happy"),
    ],
)
def test_refuse_other_order__any_other_is_refused(labels: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=f"data.labels: {told}"):
        refuse_other_order(labels)
