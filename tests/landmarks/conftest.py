"""Fixtures of landmarks: a portrait with known landmarks."""

import numpy as np
import numpy.typing as npt
import pytest

from faceml.images.decoding import RgbImage
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import Scene


@pytest.fixture(scope="session")
def portrait() -> tuple[RgbImage, npt.NDArray[np.float32]]:
    """A face turned a little to the viewer's right, 320 px, and its 10 points."""
    rng = np.random.default_rng(3)
    return render_face(sample_person(rng), sample_expression(0, rng), Scene(yaw_deg=10.0), 320)
