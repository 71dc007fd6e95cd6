import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from faceml.config.config_error import ConfigError
from faceml.tasks.classes import AFFECTNET8, LEFT_OUT, UNKNOWN, Classes, build_classes

SETTING = "tasks.expression"
SEVEN = AFFECTNET8[:7]


def classes(
    spec: Any = "affectnet8",
    values: Sequence[Any] = (),
    *,
    aliases: Mapping[str, str] | None = None,
    leave_out: Sequence[Any] = (),
) -> Classes:
    return build_classes(spec, aliases or {}, leave_out, pa.array(values), SETTING)


def codes(of: Classes, *values: Any) -> list[int]:
    encoded = of.encode(pa.array(values), "table")
    assert encoded.dtype == np.int64
    return encoded.tolist()


def complaint(act: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as raised:
        act()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_affectnet8__is_the_order_of_earlier_models() -> None:
    assert AFFECTNET8 == ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
    assert classes().names == classes().numbered == AFFECTNET8


def test_encode__names_numbers_and_spellings_mean_the_same() -> None:
    spelt = [
        ["0", "neutral", "Neutral ", "NEUTRALITY"],
        ["1", "happy", "happiness", "Joy"],
        ["2", "sad", "sadness"],
        ["3", "surprise", "surprised"],
        ["4", "fear", "fearful", "afraid"],
        ["5", "disgust", "disgusted"],
        ["6", "anger", "angry"],
        ["7", "contempt", "contemptuous"],
    ]
    for code, values in enumerate(spelt):
        assert codes(classes(), *values) == [code] * len(values)


@pytest.mark.parametrize("value", ["8", "-1", "00", "", "person_1", "1.0", "٣", "1.5", "none"])
def test_encode__other_values_are_unknown(value: str) -> None:
    told = complaint(lambda: classes().encode(pa.array(["0", value, None, value]), "tables/t", SETTING))
    assert told == (
        f"tables/t: '{value}' (2 rows): not among the classes {', '.join(AFFECTNET8)}. Add the value to "
        f"{SETTING}.classes, name its class in {SETTING}.aliases, or drop its rows with {SETTING}.leave_out."
    )


def test_encode__names_the_most_frequent_unknown_values_first() -> None:
    values = [*"abbcccdddd", "happy"]
    told = complaint(lambda: classes().encode(pa.array(values), "table"))
    assert told.startswith("table: 'd' (4 rows), 'c' (3 rows), 'b' (2 rows), …: not among")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([0, 7, None], pa.int8()), [0, 7, UNKNOWN]),
        (pa.array([0.0, 7.0, float("nan"), None]), [0, 7, UNKNOWN, UNKNOWN]),
        (pa.array(["sad", None, "0"], pa.large_string()), [2, UNKNOWN, 0]),
        (pa.nulls(2), [UNKNOWN, UNKNOWN]),
        (pa.chunked_array([], pa.string()), []),
        (pa.chunked_array([["sad"], [], ["happy", "sad"]], pa.string()), [2, 1, 2]),
        (
            pa.chunked_array(
                [pa.array(["sad", "x"]).dictionary_encode()[:1], pa.array(["x", "0"])[1:].dictionary_encode()]
            ),
            [2, 0],
        ),
        (pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), ["sad", None]), [UNKNOWN, UNKNOWN, 2]),
    ],
)
def test_encode__takes_every_form_of_column(values: pa.Array | pa.ChunkedArray, expected: list[int]) -> None:
    assert classes().encode(values, "table").tolist() == expected


def test_encode__booleans_are_true_and_false() -> None:
    assert codes(classes(["false", "true"]), True, None, False) == [1, UNKNOWN, 0]
    assert codes(classes(["calm", "happy"], aliases={"true": "happy", "false": "calm"}), True, False) == [
        1,
        0,
    ]


def test_encode__lists_are_no_classes() -> None:
    told = complaint(lambda: classes().encode(pa.array([[1]]), "tables/t: column 'votes'"))
    assert told == "tables/t: column 'votes': holds list<item: int64>; classes are text, numbers or booleans."


@given(
    names=st.lists(st.text("abcxyz", min_size=1), min_size=2, unique=True),
    picks=st.lists(st.none() | st.integers(0, 99)),
    blanks=st.sampled_from(["", " "]),
    data=st.data(),
)
def test_encode__agrees_with_a_loop_over_the_values(
    names: list[str], picks: list[int | None], blanks: str, data: st.DataObject
) -> None:
    left_out = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names) - 2))
    kept = [name for name in names if name not in left_out]
    values = [None if pick is None else names[pick % len(names)] for pick in picks]
    expected = [
        UNKNOWN if value is None else LEFT_OUT if value in left_out else kept.index(value) for value in values
    ]
    built = classes(names, leave_out=left_out)
    assert built.names == tuple(kept)
    shown = [None if value is None else f"{blanks}{value.title()}{blanks}" for value in values]
    assert built.encode(pa.array(shown, pa.string()), "table").tolist() == expected
    numbers = [None if pick is None else pick % len(names) for pick in picks]
    assert built.encode(pa.array(numbers, pa.int64()), "table").tolist() == expected


@given(values=st.lists(st.integers(-50, 50), min_size=2, unique=True))
def test_build_classes__found_numbers_are_sorted_as_numbers(values: list[int]) -> None:
    for given_values in (values, [str(value) for value in values], [float(value) for value in values]):
        built = classes("found", given_values * 2)
        assert built.names == tuple(str(value) for value in sorted(values))
        assert codes(built, *given_values) == [sorted(values).index(value) for value in values]


def test_build_classes__found_names_are_sorted_by_the_alphabet() -> None:
    built = classes("found", ["sad", "Happy", None, "happy", "10", "9"])
    assert built.names == ("10", "9", "happy", "sad")
    assert codes(built, "HAPPY", "sadness", "9") == [2, 3, 1]


def test_build_classes__numbers_mean_nothing_to_names_that_were_found() -> None:
    built = classes("found", ["anger", "happy", "sad"])
    assert built.numbered == ()
    assert "'0' (1 rows): not among the classes anger, happy, sad" in complaint(lambda: codes(built, "0"))
    numbers = classes("found", ["1", "2", "3"])
    assert "'0' (1 rows)" in complaint(lambda: codes(numbers, "0"))
    assert codes(classes(["2", "1"]), "1", "2") == [1, 0]


def test_build_classes__aliases_rename_what_is_found() -> None:
    built = classes("found", ["1", "2", "3"], aliases={"1": "calm", "2": "glad", "3": "glad"})
    assert built.names == ("calm", "glad")
    assert codes(built, 3, 1) == [1, 0]
    assert classes("found", ["", "a", "b"]).names == ("a", "b"), "images outside of all folders have no class"


def test_build_classes__the_spelling_of_a_list_is_the_name() -> None:
    built = classes(["Happiness", "anger", "calm"])
    assert built.names == ("Happiness", "anger", "calm")
    assert codes(built, "happy", "joy", "angry", "CALM", "1") == [0, 0, 1, 2, 1]
    assert "'sadness'" in complaint(lambda: codes(built, "sadness"))


def test_build_classes__no_alias_merges_two_names_of_a_list() -> None:
    built = classes(["fear", "afraid", "sad"])
    assert codes(built, "fear", "afraid", "sadness") == [0, 1, 2]
    assert "'fearful'" in complaint(lambda: codes(built, "fearful")), "it could mean either"
    assert codes(classes(["fear", "afraid"], aliases={"Fearful": "afraid"}), "FEARFUL") == [1]


def test_build_classes__aliases_of_the_user_come_first() -> None:
    built = classes(aliases={"Smile": "happiness", "joy": "neutral", "8": "neutral", "0": "sad"})
    assert codes(built, "smile", "joy", "8", "0", "neutral") == [1, 0, 0, 2, 0]


@pytest.mark.parametrize(
    ("aliases", "told"),
    [
        (
            {"smile": "hapy"},
            "aliases: 'smile: hapy': no class is called 'hapy'. Did you mean 'happy'?",
        ),
        ({"Sad": "happy"}, "aliases: 'sad' is itself a class. Remove it there or here."),
    ],
)
def test_build_classes__aliases_that_cannot_be_are_refused(aliases: dict[str, str], told: str) -> None:
    assert f"{SETTING}.{told}" in complaint(lambda: classes(aliases=aliases))


@pytest.mark.parametrize("name", ["contempt", "Contemptuous", "7", 7])
def test_build_classes__leaves_out_a_class_by_any_of_its_spellings(name: str | int) -> None:
    built = classes(leave_out=[name])
    assert (built.names, built.numbered) == (SEVEN, AFFECTNET8)
    assert codes(built, "contempt", "7", "anger", "6", None) == [LEFT_OUT, LEFT_OUT, 6, 6, UNKNOWN]


def test_build_classes__a_class_from_the_middle_closes_up_the_codes_but_not_the_numbers() -> None:
    built = classes(leave_out=["sad"])
    assert codes(built, *range(8)) == [0, 1, LEFT_OUT, 2, 3, 4, 5, 6]


def test_build_classes__leaves_out_numbers_and_values_that_are_no_class() -> None:
    built = classes(values=["1", "8", "Unsure"], leave_out=["8", "9", "10", "unsure"])
    assert built.names == AFFECTNET8
    assert codes(built, "1", "8", "10", "unsure") == [1, LEFT_OUT, LEFT_OUT, LEFT_OUT]
    found = classes("found", [1, 2, 3, 8], leave_out=["8", "9"])
    assert (found.names, codes(found, 9, 8, 3)) == (("1", "2", "3"), [LEFT_OUT, LEFT_OUT, 2])


def test_encode__blank_values_that_are_left_out_move_no_other_class() -> None:
    built = classes(values=["0", "3", "", "6", "1"], leave_out=[""])
    assert built.encode(pa.array(["0", "3", "", "6", "1", None]), "column").tolist() == [
        0, 3, LEFT_OUT, 6, 1, UNKNOWN,
    ]  # fmt: skip


def test_build_classes__a_value_of_the_validation_split_alone_can_be_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    built = classes(["calm", "tense"], values=["calm", "tense"], leave_out=["zzz"])
    assert built.encode(pa.array(["calm", "zzz"]), "column").tolist() == [0, LEFT_OUT]
    assert f"{SETTING}.leave_out: 'zzz' is neither a class nor in the training split" in caplog.text


def test_build_classes__a_name_to_leave_out_that_is_nowhere_is_refused() -> None:
    told = complaint(lambda: classes(values=["unsure"], leave_out=["contemt"]))
    assert told.startswith(
        f"{SETTING}.leave_out: 'contemt': no class is called 'contemt'. Did you mean 'contempt'? There are"
    )
    assert "Did you mean 'unsure'?" in complaint(lambda: classes(values=["unsure"], leave_out=["unsur"]))


def test_build_classes__a_classification_needs_two_classes() -> None:
    for built in (
        lambda: classes(["happy"]),
        lambda: classes("found", ["happy", None, "HAPPY"]),
        lambda: classes(["happy", "sad"], leave_out=["sad"]),
    ):
        assert complaint(built) == f"{SETTING}.classes: 1 class (happy): a classification needs two or more."
    assert "0 classes ()" in complaint(lambda: classes("found"))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (["happy", "sad", "Happy"], "'happy' is listed twice."),
        (["happy", " "], "has an empty name."),
        (["happy", ["sad"]], "['sad']: must be a list of names."),
        ([False, True], "False: must be a list of names. Put names such as 'yes' in quotes."),
        (
            "affectnet",
            "'affectnet': must be affectnet8, found, a list of names, or a file that ends in .txt, ",
        ),
    ],
)
def test_build_classes__lists_that_cannot_be_are_refused(spec: Any, told: str) -> None:
    assert complaint(lambda: classes(spec)).startswith(f"{SETTING}.classes: {told}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "\ufeffcalm\n\nglad \n3\n"),
        ("names.json", '["calm", "glad", 3]'),
        ("names.yaml", "- calm\n- glad\n- 3\n"),
    ],
)
def test_build_classes__reads_names_from_a_file(
    tmp_path: Path, in_s3: Callable[[Path], str], name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    folder, _, parameters = in_s3(tmp_path).partition("?")
    for place in (tmp_path / name, str(tmp_path / name), f"{folder}/{name}?{parameters}"):
        assert classes(place).names == ("calm", "glad", "3")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", None, "no such file."),
        ("a.yaml", b"calm: glad", "must be a list of names."),
        ("a.yaml", b"[calm", "cannot be read (while parsing"),
        ("a.txt", b"\xff\xfe", "cannot be read ('utf-8' codec"),
        ("a.txt", b"calm\ncalm\n", "'calm' is listed twice."),
    ],
)
def test_build_classes__files_that_cannot_be_read_are_named(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert complaint(lambda: classes(tmp_path / name)).startswith(
        f"{SETTING}.classes: {tmp_path / name}: {told}"
    )


def test_from_plain__gives_the_same_classes_after_json() -> None:
    built = classes(["Happiness", "sad", "calm"], aliases={"smile": "happy"}, leave_out=["calm", "8"])
    again = Classes.from_plain(json.loads(json.dumps(built.as_plain())))
    assert again == built
    assert codes(again, "smile", "calm", "8", "1") == [0, LEFT_OUT, LEFT_OUT, 1]


@pytest.mark.parametrize(
    ("built", "folder_names"),
    [
        (classes(), AFFECTNET8),
        (classes(), SEVEN),
        (classes(), ["Neutral", "happiness", "sadness"]),
        (classes(leave_out=["contempt"]), AFFECTNET8),
        (classes(leave_out=["8", "9"]), [*AFFECTNET8, "none", "uncertain"]),
        (classes(sorted(AFFECTNET8)), sorted(AFFECTNET8)),
        (classes("found", ["0", "1"]), ["sad", "happy"]),
        (classes("found", ["happy", "sad"]), ["sad", "happy"]),
        (classes(["0", "1"]), ["sad", "happy"]),
    ],
)
def test_refuse_other_order__the_same_order_and_unnamed_numbers_pass(
    built: Classes, folder_names: Sequence[str]
) -> None:
    built.refuse_other_order(folder_names)


@pytest.mark.parametrize(
    ("built", "folder_names", "told"),
    [
        (
            classes(),
            sorted(AFFECTNET8),
            f"folder 0 is 'anger' where {SETTING}.classes has 'neutral' (this is alphabetical order, as "
            f"torchvision's ImageFolder numbers). List {SETTING}.classes in the order of the folders, or ",
        ),
        (
            classes(),
            ["neutral", "happy", "sad", "surprise", "fear", "anger", "disgust", "contempt"],
            f"folder 5 is 'anger' where {SETTING}.classes has 'disgust'. List",
        ),
        (classes(leave_out=["neutral"]), sorted(SEVEN), "folder 0 is 'anger' where"),
        (classes(), ["neutral", "joy", "grief"], f"folder 2 is 'grief' where {SETTING}.classes has 'sad'."),
        (classes(), [*AFFECTNET8, "none"], f"folder 8 is 'none' where {SETTING}.classes has no class."),
        (classes(["sad", "calm"]), ["calm", "sad"], "folder 0 is 'calm' where"),
    ],
)
def test_refuse_other_order__another_order_is_refused(
    built: Classes, folder_names: Sequence[str], told: str
) -> None:
    assert complaint(lambda: built.refuse_other_order(folder_names, SETTING)).startswith(
        f"data.labels: {told}"
    )
