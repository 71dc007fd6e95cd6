"""Numbers are numbers however they are written, and words that look like one stay words."""

from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from faceml.config.yaml_text import dump_yaml, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("[3e-4, 1E3, -2e+1, .5e1, 1.e2, 1.5e-3]", [3e-4, 1000.0, -20.0, 5.0, 100.0, 1.5e-3]),
        ("{low: 1e-4}", {"low": 1e-4}),
        ("[3e, e4, 3e-4x, '3e-4', 1-2e3]", ["3e", "e4", "3e-4x", "3e-4", "1-2e3"]),
        ("[1, 0.5, yes, null, 1e]", [1, 0.5, True, None, "1e"]),
    ],
)
def test_load_yaml__exponents_make_numbers(text: str, value: Any) -> None:
    found = load_yaml(text)
    assert found == value
    assert repr(found) == repr(value)


# Not all of Unicode: PyYAML loses a few line breaks of it.
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
    | st.from_regex(r"[-+]?[0-9]{0,2}[.]?[0-9]{0,2}[eE][-+]?[0-9]{1,2}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(PLAIN)
def test_dump_yaml__is_read_back_as_it_was(values: Any) -> None:
    found = load_yaml(dump_yaml(values))
    assert found == values
    assert repr(found) == repr(values)


def test_load_yaml__makes_plain_values_only() -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml("!!python/object/apply:os.system [ls]")
