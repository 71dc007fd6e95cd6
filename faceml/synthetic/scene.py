"""Scene of a face image: head pose, position, light, background, clothes and camera.

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
    """Parameters of one image of a face.

    Attributes:
        yaw_deg: Head turned to the viewer's right.
        pitch_deg: Head turned up.
        roll_deg: Head tilted clockwise as the viewer sees it.
        center_x: Horizontal position of the face's centre, divided by the image's width.
        center_y: Vertical position from the top, divided by the image's height.
        eye_distance: Distance between the eyes of an average face, divided by the image's width.
        light_x: Light from the viewer's left (-1) to the right (1).
        light_y: Light from above (-1) to below (1).
        contrast: Darkness of the side away from the light, from 0 to 1.
        exposure: Factor of all colours.
        warmth: From -1 (bluish) to 1 (golden).
        background_top: Colour of the background at the top.
        background_bottom: Colour of the background at the bottom.
        clothes: Colour of the clothes.
        blur: Standard deviation of the camera's blur, divided by the image's width.
        noise: Standard deviation of the sensor's noise, in gray levels of 255.
        noise_seed: Seed of the noise.
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
    """Sample a scene: mild poses, everyday light, a plain background."""
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
        turn: float64 of shape (2, 3), the yaw and pitch of `linear` without roll and scale.
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


# Height of the face's centre below the eye line, in face units.
_FACE_MIDDLE_Y = 0.25


def head_view(scene: Scene) -> View:
    """Return the view of the head, rotated about the centre of the face."""
    return _view(scene, scene.yaw_deg, scene.pitch_deg, scene.roll_deg)


def body_view(scene: Scene) -> View:
    """Return the view of neck and shoulders, which follow the head's rotation in part."""
    return _view(scene, 0.3 * scene.yaw_deg, 0.0, 0.4 * scene.roll_deg)


def _view(scene: Scene, yaw_deg: float, pitch_deg: float, roll_deg: float) -> View:
    yaw, pitch, roll = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)]])
    turn = about_x @ about_y
    # y points down, so this matrix rotates clockwise as seen by the viewer.
    in_plane = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    linear = scene.eye_distance * in_plane @ turn
    offset = np.array([scene.center_x, scene.center_y]) - linear @ np.array([0.0, _FACE_MIDDLE_Y, 0.0])
    return View(linear, offset, turn)
