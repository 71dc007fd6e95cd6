import numpy as np
import pytest
from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarksConnections as Connections
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from faceml.config.config_error import ConfigError
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import Scene
from faceml.tables.landmark_sets import (
    LANDMARK_SETS,
    MESH_MIRROR,
    LandmarkSet,
    mesh_landmark_set,
    with_eyes,
)


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


def test_mesh_mirror__exchanges_pairs_and_agrees_with_both_sets() -> None:
    assert [MESH_MIRROR[vertex] for vertex in MESH_MIRROR] == list(range(478)), (
        "twice mirrored is the original"
    )
    for landmark_set in LANDMARK_SETS.values():
        for vertices, other in zip(landmark_set.mesh_indices, landmark_set.flip_permutation, strict=True):
            mirrored = {MESH_MIRROR[vertex] for vertex in vertices}
            assert mirrored == set(landmark_set.mesh_indices[other])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Connections.FACE_LANDMARKS_RIGHT_EYE, Connections.FACE_LANDMARKS_LEFT_EYE),
        (Connections.FACE_LANDMARKS_RIGHT_EYEBROW, Connections.FACE_LANDMARKS_LEFT_EYEBROW),
        (Connections.FACE_LANDMARKS_RIGHT_IRIS, Connections.FACE_LANDMARKS_LEFT_IRIS),
        (Connections.FACE_LANDMARKS_LIPS, Connections.FACE_LANDMARKS_LIPS),
        (Connections.FACE_LANDMARKS_FACE_OVAL, Connections.FACE_LANDMARKS_FACE_OVAL),
        (Connections.FACE_LANDMARKS_NOSE, Connections.FACE_LANDMARKS_NOSE),
    ],
    ids=["eyes", "brows", "irises", "lips", "oval", "nose"],
)
def test_mesh_mirror__carries_mediapipes_lines_over(
    left: list[Connections.Connection], right: list[Connections.Connection]
) -> None:
    assert {frozenset((MESH_MIRROR[line.start], MESH_MIRROR[line.end])) for line in left} == {
        frozenset((line.start, line.end)) for line in right
    }


def test_mesh_mirror__carries_mediapipes_triangles_over() -> None:
    lines = {frozenset((c.start, c.end)) for c in Connections.FACE_LANDMARKS_TESSELATION}
    mirrored = {frozenset(MESH_MIRROR[vertex] for vertex in line) for line in lines}
    # Three four-sided patches beside the nose and the eyes are divided by another diagonal on the other side.
    assert len(lines) == 1322
    assert len(mirrored - lines) == 6
    assert set().union(*lines) == set(range(468)), "every vertex of the face"


def test_mesh_mirror__is_what_mediapipe_finds_in_mirrored_faces(detector: MediaPipeDetector) -> None:
    faces, flipped = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image, _ = render_face(sample_person(rng), sample_expression(seed, rng), Scene(), 256)
        faces.append(detector.detect(image)[0].mesh)
        flipped.append(detector.detect(np.ascontiguousarray(image[:, ::-1]))[0].mesh * (-1, 1, 1) + (1, 0, 0))
    face, mirrored = np.mean(faces, axis=0), np.mean(flipped, axis=0)
    _, matched = linear_sum_assignment(cdist(face, mirrored))
    assert tuple(matched) == MESH_MIRROR
    to_nearest = np.sort(cdist(face, face), axis=1)[:, 1]
    assert (np.linalg.norm(face - mirrored[list(MESH_MIRROR)], axis=1) < to_nearest).all()


def test_mesh_landmark_set__has_names_flip_and_eyes() -> None:
    found = mesh_landmark_set((263, 4, 133, 33, 362))
    assert found.names == ("mesh_263", "mesh_4", "mesh_133", "mesh_33", "mesh_362")
    assert found.mesh_indices == ((263,), (4,), (133,), (33,), (362,))
    assert found.flip_permutation == (3, 1, 4, 0, 2)
    assert (found.left_eye, found.right_eye) == ((3, 2), (4, 0))
    assert with_eyes(found) is found


def test_mesh_landmark_set__all_vertices_are_a_set() -> None:
    assert mesh_landmark_set(range(478)).flip_permutation == MESH_MIRROR


def test_mesh_landmark_set__names_the_vertices_that_a_flip_needs() -> None:
    with pytest.raises(ConfigError, match=r"^tasks\.brows\.points: .* 33, 61 with 263, 291\. Add them\.$"):
        mesh_landmark_set((33, 4, 61, 133, 362), "tasks.brows.points")


def test_with_eyes__adds_the_corners_that_are_missing() -> None:
    for landmark_set in LANDMARK_SETS.values():
        assert with_eyes(landmark_set) is landmark_set
    found = with_eyes(mesh_landmark_set((61, 291, 263, 33)))
    assert found.names == ("mesh_61", "mesh_291", "mesh_263", "mesh_33", "mesh_133", "mesh_362")
    assert found.flip_permutation == (1, 0, 3, 2, 5, 4)
    assert (found.left_eye, found.right_eye) == ((3, 4), (5, 2))
