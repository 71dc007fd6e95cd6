"""How a face is seen: head pose, place and size in the image, light, background, clothes, camera.

Shape letters: N points.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceml.synthetic.geometry import Points
from faceml.synthetic.person import Color

_BACKGROUNDS: tuple[Color, ...] = (
    (206, 214, 220), (168, 188, 198), (222, 208, 190), (150, 164, 150), (186, 172, 196), (98, 116, 134),
    (230, 226, 218), (196, 160, 140), (120, 140, 128), (70, 78, 92),
)  # fmt: skip
_CLOTHES: tuple[Color, ...] = (
    (52, 70, 104), (130, 46, 54), (66, 92, 80), (222, 220, 214), (44, 46, 52), (196, 148, 70), (120, 96, 140),
    (96, 140, 160),
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One picture of a face.

    Attributes:
        yaw_deg: Head turned to the viewer's right.
        pitch_deg: Head turned up.
        roll_deg: Head tilted clockwise as the viewer sees it.
        center_x: Where the middle of the face is, divided by the image's width.
        center_y: The same from the top, divided by its height.
        eye_distance: Distance between the eyes of an average face, divided by the image's width.
        light_x: Light from the viewer's left (-1) to the right (1).
        light_y: Light from above (-1) to below (1).
        contrast: How much darker the far side is, from 0 to 1.
        exposure: Factor on all colours.
        warmth: From -1 (bluish) to 1 (golden).
        background_top: Colour of the background above.
        background_bottom: Colour below.
        clothes: Colour of the clothes.
        blur: Standard deviation of the camera's blur, divided by the image's width.
        noise: Standard deviation of the sensor's noise, in gray levels of 255.
        noise_seed: Of this picture's noise.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    center_x: float = 0.5
    center_y: float = 0.5
    eye_distance: float = 0.325
    light_x: float = -0.4
    light_y: float = -0.5
    contrast: float = 0.5
    exposure: float = 1.0
    warmth: float = 0.0
    background_top: Color = _BACKGROUNDS[0]
    background_bottom: Color = _BACKGROUNDS[1]
    clothes: Color = _CLOTHES[0]
    blur: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0

    @property
    def balance(self) -> Color:
        """Factors of exposure and warmth on red, green and blue."""
        tint = 0.05 * self.warmth
        return self.exposure * (1.0 + tint), self.exposure * (1.0 + 0.1 * tint), self.exposure * (1.0 - tint)


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draw a picture's circumstances: mild poses, any everyday light, a plain background."""
    top, bottom = rng.choice(len(_BACKGROUNDS), 2)
    return Scene(
        yaw_deg=float(np.clip(rng.normal(0.0, 7.0), -16.0, 16.0)),
        pitch_deg=float(np.clip(rng.normal(0.0, 3.5), -8.0, 8.0)),
        roll_deg=float(np.clip(rng.normal(0.0, 7.0), -20.0, 20.0)),
        center_x=rng.normal(0.5, 0.015),
        center_y=rng.normal(0.5, 0.012),
        eye_distance=rng.uniform(0.3, 0.35),
        light_x=rng.uniform(-1.0, 1.0),
        light_y=rng.uniform(-0.9, 0.1),
        contrast=rng.uniform(0.2, 0.8),
        exposure=rng.uniform(0.86, 1.1),
        warmth=rng.normal(0.0, 0.4),
        background_top=_BACKGROUNDS[top],
        background_bottom=_BACKGROUNDS[bottom],
        clothes=_CLOTHES[int(rng.integers(len(_CLOTHES)))],
        blur=rng.uniform(0.0, 0.0022),
        noise=rng.uniform(0.5, 3.0),
        noise_seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class View:
    """An orthographic camera: the affine map from face units to the image.

    Attributes:
        linear: float64 of shape (2, 3).
        offset: float64 of shape (2,).
        turn: float64 of shape (2, 3); only yaw and pitch of `linear`, without roll and scale.
    """

    linear: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]

    def project(self, points: Points) -> Points:
        """Map points of shape (N, 3) in face units to shape (N, 2), divided by the image's width."""
        return np.asarray(points @ self.linear.T + self.offset)

    def similarity(self) -> npt.NDArray[np.float64]:
        """Return the map of shape (2, 3) from the turned face's plane (roll 0, face units) to the image."""
        return np.column_stack([self.linear @ self.turn.T, self.offset])


# The middle of the face that is kept in the middle of the image, below the eye line (face units).
_FACE_MIDDLE_Y = 0.25


def head_view(scene: Scene) -> View:
    """Return the camera's map for everything that turns with the head, about the middle of the face."""
    return _view(scene, scene.yaw_deg, scene.pitch_deg, scene.roll_deg)


def body_view(scene: Scene) -> View:
    """Return the map for neck and shoulders, which follow the head only in part."""
    return _view(scene, 0.3 * scene.yaw_deg, 0.0, 0.4 * scene.roll_deg)


def _view(scene: Scene, yaw_deg: float, pitch_deg: float, roll_deg: float) -> View:
    yaw, pitch, roll = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)]])
    turn = about_x @ about_y
    # y points down, so this matrix turns clockwise as the viewer sees it.
    in_plane = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    linear = scene.eye_distance * in_plane @ turn
    offset = np.array([scene.center_x, scene.center_y]) - linear @ np.array([0.0, _FACE_MIDDLE_Y, 0.0])
    return View(linear, offset, turn)
