import pytest

from faceml.tables.landmark_sets import LANDMARK_SETS, LandmarkSet


@pytest.mark.parametrize("landmark_set", LANDMARK_SETS.values(), ids=["5", "10"])
def test_landmark_sets__flip_swaps_left_and_right_in_the_names(landmark_set: LandmarkSet) -> None:
    def mirrored(name: str) -> str:
        swap = {"left": "right", "right": "left"}
        return "_".join(swap.get(word, word) for word in name.split("_"))

    names, flip = landmark_set.names, landmark_set.flip_permutation
    assert [names[point] for point in flip] == [mirrored(name) for name in names]
    assert [flip[point] for point in flip] == list(range(len(landmark_set))), "twice mirrored is the original"
    assert tuple(sorted(flip[point] for point in landmark_set.left_eye)) == landmark_set.right_eye


@pytest.mark.parametrize("number", [5, 10])
def test_landmark_sets__are_those_of_the_design(number: int) -> None:
    landmark_set = LANDMARK_SETS[number]
    assert len(landmark_set) == len(landmark_set.mesh_indices) == number
    assert (
        landmark_set.mesh_indices
        == {
            5: ((33, 133), (362, 263), (4,), (61,), (291,)),
            10: ((33,), (133,), (362,), (263,), (4,), (2,), (61,), (291,), (0,), (17,)),
        }[number]
    )
    eyes = [landmark_set.mesh_indices[point] for point in (*landmark_set.left_eye, *landmark_set.right_eye)]
    assert sum(eyes, ()) == (33, 133, 362, 263)
