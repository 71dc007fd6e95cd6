"""Verification pairs: properties of drawn pairs, and files in LFW's format."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from faceml.config.config_error import ConfigError
from faceml.datasets.verification_pairs import draw_pairs, read_pairs

COUNTS = st.lists(st.integers(1, 7), min_size=8, max_size=40).filter(
    lambda counts: sum(c > 1 for c in counts) > 3
)


@settings(max_examples=60)
@given(COUNTS, st.integers(2, 400), st.integers(0, 5))
def test_draw_pairs__keeps_its_promises(counts: list[int], number: int, seed: int) -> None:
    people = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    pairs = draw_pairs(people.tolist(), number, seed)
    shown = people[pairs.images]
    assert (pairs.images[:, 0] != pairs.images[:, 1]).all()
    assert ((shown[:, 0] == shown[:, 1]) == pairs.same).all()
    assert len({tuple(sorted(pair)) for pair in pairs.images.tolist()}) == len(pairs.images)
    several = sum(count > 1 for count in counts)
    assert set(pairs.folds.tolist()) <= set(range(min(10, several // 2)))
    for fold in set(pairs.folds.tolist()):
        inside = pairs.folds == fold
        assert pairs.same[inside].sum() * 2 == inside.sum()
        assert not set(shown[inside].ravel().tolist()) & set(shown[~inside].ravel().tolist())
    again = draw_pairs(people.tolist(), number, seed)
    assert (again.images == pairs.images).all()


def test_draw_pairs__as_many_as_wanted_and_evenly_over_people() -> None:
    people = np.repeat(np.arange(40), [20] * 20 + [4] * 20).tolist()
    pairs = draw_pairs(people, 400)
    assert pairs.same.sum() == 200
    assert len(pairs.same) == 400
    of_each = np.bincount(np.array(people)[pairs.images[pairs.same, 0]], minlength=40)
    # Twenty of each fold's four people; nobody with many images has more than the others need to leave.
    assert of_each.min() >= 5
    assert of_each.max() <= 7


def test_draw_pairs__too_few_people_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 people have two images or more"):
        draw_pairs([0, 0, 1, 1, 2, 2, 3, 4], 10)


LFW = "2\t1\nAnn_Lee\t1\t3\nAnn_Lee\t1\tBo\t2\nBo\t1\t2\nBo\t1\tAnn_Lee\t2\n"
IMAGES = ["Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Ann_Lee/Ann_Lee_0003.jpg"]
IMAGES += ["Bo/Bo_0001.jpg", "Bo/Bo_0002.jpg"]


def test_read_pairs__of_lfw(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(LFW, encoding="utf-8")
    pairs = read_pairs(file, IMAGES)
    assert pairs.images.tolist() == [[0, 2], [0, 4], [3, 4], [3, 1]]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.folds.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not in the format of LFW"),
        ("10\t0\n", "not in the format of LFW"),
        ("1\t2\n" + LFW.partition("\n")[2], "has one fold"),
        ("2\t5\nAnn_Lee\t1\t3\n", "not in the format of LFW"),
        (LFW.replace("Bo\t1\t2", "Bo\t1"), r"line 4: 'Bo\\t1' is neither 'name i j' nor 'name i other j'"),
        (LFW.replace("Bo\t1\t2", "Bo\t1\t9"), "line 4: data.val has no image 9 of Bo"),
        (LFW.replace("Bo\t1\t2", "Bo\tx\t2"), "line 4: .* is neither"),
    ],
)
def test_read_pairs__says_what_is_wrong_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_pairs(file, IMAGES)
