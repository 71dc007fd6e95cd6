"""What a network says of images is what it says of the squares that it was trained on."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

import faceml
from faceml.config.config_error import ConfigError
from faceml.datasets.preprocessing import Preprocessing
from faceml.images.decoding import RgbImage, decode_image, encode_jpeg
from faceml.images.framing import Framing
from faceml.prediction.results import FacePrediction
from faceml.training.checkpoint import read_state, write_state
from faceml.training.trained_model import load_trained_model
from tests.prediction.conftest import CORNERS, SIDE_PX
from tests.random_model import MESH, OTHERS, WITH_POSE, write_random_model


def said_of(run_folder: Path, pixels: RgbImage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Show the network a whole picture, without any of the code that is tested."""
    trained = load_trained_model(run_folder / "best_model.pt")
    square = interpolate(
        torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None], size=(48, 48), mode="bilinear", antialias=True
    )
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        outputs = trained.model((square / 255 - mean[:, None, None]) / std[:, None, None])
    logits, points, embedding = (
        values[0].numpy()
        for values in (outputs.tasks["expression"], outputs.tasks["landmarks"], outputs.embedding)
    )
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum(), points, embedding


def test_predict__of_whole_images_is_what_the_network_says(run_folder: Path, drawn: Path) -> None:
    files = sorted((drawn / "train").rglob("*.jpg"))[:5]
    predictor = faceml.load(run_folder, finds_faces=False, batch_size=2)
    found = predictor.predict(files)
    assert [image.image for image in found] == [str(file) for file in files]
    for image, file in zip(found, files, strict=True):
        (face,) = image.faces
        pixels = Preprocessing(48).decode(file.read_bytes())
        assert not isinstance(pixels, str)
        assert (image.width, image.height, pixels.shape) == (SIDE_PX, SIDE_PX, (50, 50, 3))
        probabilities, points, embedding = said_of(run_folder, pixels)
        np.testing.assert_allclose(face.probabilities, probabilities, atol=1e-5)
        np.testing.assert_allclose(face.landmarks, points, atol=1e-5)
        np.testing.assert_allclose(face.embedding, embedding, atol=1e-4)
        np.testing.assert_allclose(face.box, [0, 0, 1, 1])
        assert face.pose is None


def test_predict__with_a_flip_test_gives_a_mirrored_photo_the_same_expression(
    run_folder: Path, drawn: Path
) -> None:
    file = next(iter(sorted((drawn / "train").rglob("*.jpg"))))
    pixels = decode_image(file.read_bytes())
    assert not isinstance(pixels, str)
    shown = [pixels, np.ascontiguousarray(pixels[:, ::-1])]
    (one,), (other,) = (
        image.faces for image in faceml.load(run_folder, finds_faces=False, flip_test=True).predict(shown)
    )
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)
    (plain,) = faceml.load(run_folder, finds_faces=False).predict(shown)[1].faces
    assert np.abs(one.probabilities - plain.probabilities).max() > 1e-4


def test_predict__shows_each_face_of_a_photo_as_in_training(run_folder: Path, photo: RgbImage) -> None:
    (image,) = faceml.load(run_folder).predict([photo])
    assert (image.status, image.width, image.height, len(image.faces)) == ("ok", 600, 400, 2)
    faces = sorted(image.faces, key=lambda face: face.box[0])
    for face, (x, y) in zip(faces, CORNERS, strict=True):
        box = np.rint(face.box * (600, 400, 600, 400)).astype(int)
        # The pictures of training, whose faces are not all alike: a tenth of their side more or less.
        np.testing.assert_allclose(box, [x, y, x + SIDE_PX, y + SIDE_PX], atol=SIDE_PX / 10)
        left, top, right, bottom = box
        padded = np.pad(photo, ((100, 100), (100, 100), (0, 0)), mode="edge")
        pixels = padded[100 + top : 100 + bottom, 100 + left : 100 + right]
        probabilities, points, embedding = said_of(run_folder, pixels)
        np.testing.assert_allclose(face.probabilities, probabilities, atol=1e-5)
        np.testing.assert_allclose(face.embedding, embedding, atol=1e-4)
        corner, size = np.array([left, top]), np.array([right - left, bottom - top])
        np.testing.assert_allclose(face.landmarks, (points * size + corner) / (600, 400), atol=1e-5)
        assert face.pose is not None
        assert abs(face.pose.roll_deg) < 30


def test_predict__takes_paths_bytes_and_pixels_alike(
    run_folder: Path, photo: RgbImage, tmp_path: Path
) -> None:
    content = encode_jpeg(photo, 95)
    (tmp_path / "photo.jpg").write_bytes(content)
    decoded = decode_image(content)
    assert not isinstance(decoded, str)
    by_path, by_bytes, by_pixels = faceml.load(run_folder).predict([tmp_path / "photo.jpg", content, decoded])
    assert (by_path.image, by_bytes.image, by_pixels.image) == (str(tmp_path / "photo.jpg"), "1", "2")
    for other in (by_bytes, by_pixels):
        assert (other.status, other.width, len(other.faces)) == ("ok", 600, 2)
        for mine, theirs in zip(by_path.faces, other.faces, strict=True):
            for name in ("box", "probabilities", "landmarks", "embedding"):
                np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), atol=1e-5)
            assert mine.pose == theirs.pose


def test_predict__says_what_is_wrong_with_an_image_and_goes_on(
    run_folder: Path, photo: RgbImage, tmp_path: Path
) -> None:
    gray = np.full((100, 100, 3), 128, dtype=np.uint8)
    whole = encode_jpeg(photo, 90)
    found = faceml.load(run_folder).predict([tmp_path / "nowhere.jpg", b"", whole[:-20], gray, whole])
    assert [image.status for image in found] == ["unreadable", "empty_file", "undecodable", "no_face", "ok"]
    assert [len(image.faces) for image in found] == [0, 0, 0, 0, 2]


def test_load__takes_a_run_folder_or_its_model_and_names_what_is_not_there(
    run_folder: Path, tmp_path: Path
) -> None:
    assert faceml.load(run_folder / "best_model.pt", finds_faces=False).embedding_dim == 16
    with pytest.raises(
        ConfigError, match=f"model: there is no {tmp_path}/best_model.pt. Give the run folder"
    ):
        faceml.load(tmp_path)


def test_load__refuses_to_frame_faces_for_a_model_that_does_not_say_how(
    run_folder: Path, tmp_path: Path
) -> None:
    write_state(read_state(run_folder / "best_model.pt") | {"framing": None}, tmp_path / "best_model.pt")
    with pytest.raises(ConfigError, match=r"--set faces\.kind=whole"):
        faceml.load(tmp_path)
    assert faceml.load(tmp_path, finds_faces=False).predict([b""])[0].status == "empty_file"


def test_load__a_bare_name_is_in_the_working_folder(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_folder)
    for place in ("best_model.pt", ".", Path("best_model.pt")):
        assert faceml.load(place, finds_faces=False).embedding_dim == 16


def test_predict__takes_one_image_and_images_of_pillow_in_gray_and_with_transparency(
    run_folder: Path, photo: RgbImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(cv2.imencode(".png", photo[..., ::-1])[1].tobytes())
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, dtype=np.uint8)])
    predictor = faceml.load(run_folder)
    reference = predictor.predict([photo])[0].as_plain()["faces"]
    assert len(reference) == 2
    reversed_view = np.ascontiguousarray(photo[..., ::-1])[..., ::-1]
    for image in ("photo.png", photo, Image.fromarray(photo), opaque, reversed_view, [photo], photo[None]):
        (found,) = predictor.predict(image)
        assert (found.status, found.as_plain()["faces"]) == ("ok", reference)
    gray = np.asarray(Image.fromarray(photo).convert("L"))
    by_shape = [predictor.predict(image)[0] for image in (gray, gray[..., None], Image.fromarray(gray))]
    assert [len(found.faces) for found in by_shape] == [2, 2, 2]
    hidden = np.dstack([photo, np.zeros(photo.shape[:2], dtype=np.uint8)])
    assert predictor.predict(hidden)[0].status == "no_face"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 40, 50), dtype=np.uint8), r"channels first\. Use array\.transpose\(1, 2, 0\)"),
        (np.zeros((40, 50, 3), dtype=np.float32), r"array of float32 of shape \(40, 50, 3\)\. Give a path"),
        (np.zeros((0, 0, 3), dtype=np.uint8), r"shape \(0, 0, 3\)\. Give a path"),
        (np.zeros((40, 50, 2), dtype=np.uint8), r"shape \(40, 50, 2\)\. Give a path"),
        (None, r"is None, as cv2\.imread returns"),
        (torch.zeros(3, 40, 50), r"is a Tensor\. Give a path"),
        (Image.new("RGB", (0, 0)), r"shape \(0, 0, 3\)\. Give a path"),
    ],
)
def test_predict__what_is_no_image_is_named_and_the_predictor_goes_on(
    run_folder: Path, photo: RgbImage, image: Any, message: str
) -> None:
    predictor = faceml.load(run_folder)
    with pytest.raises(ValueError, match=r"^images\[1\] .*" + message):
        predictor.predict([photo, image])
    assert len(predictor.predict(photo)[0].faces) == 2


def test_predict__a_file_whose_folder_is_missing_has_a_status(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "nowhere" / "a.jpg", tmp_path / "file" / "a.jpg", tmp_path, "", "/", b""]
    found = faceml.load(run_folder, finds_faces=False).predict(places)
    assert [image.status for image in found] == ["unreadable"] * 5 + ["empty_file"]


@pytest.mark.parametrize("size", [(3000, 40), (40, 3000), (1, 1), (3000, 1)])
def test_predict__images_of_any_shape(run_folder: Path, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "gray")
    for finds_faces, status in ((True, "no_face"), (False, "ok")):
        (found,) = faceml.load(run_folder, finds_faces=finds_faces).predict(image)
        assert (found.status, found.width, found.height) == (status, *size)


def heads_of(run_folder: Path, face: FacePrediction) -> dict[str, np.ndarray]:
    """Compute the output of each head from the embedding, without any of the code that is tested."""
    state = read_state(run_folder / "best_model.pt")["model_state_dict"]
    heads = {name.removesuffix("_head.weight") for name in state if name.endswith("_head.weight")}
    return {
        head: state[f"{head}_head.weight"].numpy() @ face.embedding + state[f"{head}_head.bias"].numpy()
        for head in heads
    }


def test_predict__of_three_tasks_has_the_third_after_the_first_two(
    photo: RgbImage, framing: Framing, tmp_path: Path
) -> None:
    write_random_model(tmp_path / "best_model.pt", WITH_POSE, 48, framing=framing)
    (image,) = faceml.load(tmp_path).predict(photo)
    assert len(image.faces) == 2
    for face in image.faces:
        angles = heads_of(tmp_path, face)["pose"] * 90
        np.testing.assert_allclose(face.outputs["pose"], angles, rtol=1e-4, atol=1e-2)
        plain = face.as_plain()
        assert list(plain) == [
            *("box", "expression", "probabilities", "landmarks", "pose"),
            *("yaw_deg", "pitch_deg", "roll_deg", "embedding"),
        ]
        names = ("yaw_deg", "pitch_deg", "roll_deg")
        assert plain["pose"] == pytest.approx(dict(zip(names, angles, strict=True)), rel=1e-4, abs=1e-2)
        assert face.pose is not None, "MediaPipe's"
        assert plain["yaw_deg"] == pytest.approx(face.pose.yaw_deg, abs=1e-6)


def test_predict__of_other_tasks_has_no_expression_and_places_points_in_the_photo(
    photo: RgbImage, framing: Framing, tmp_path: Path
) -> None:
    write_random_model(tmp_path / "best_model.pt", OTHERS | MESH, 48, framing=framing)
    (image,) = faceml.load(tmp_path).predict(photo)
    for face in image.faces:
        outputs, plain = heads_of(tmp_path, face), face.as_plain()
        shares = np.exp(outputs["happy"]) / np.exp(outputs["happy"]).sum()
        assert plain["happy_probabilities"] == pytest.approx({"no": shares[0], "yes": shares[1]}, abs=1e-4)
        assert plain["happy"] == face.results["happy"] == ("yes" if shares[1] > shares[0] else "no")
        units = dict(zip(("au01", "au02", "au04"), 1 / (1 + np.exp(-outputs["units"])), strict=True))
        assert plain["units_probabilities"] == pytest.approx(units, abs=1e-4)
        assert plain["units"] == [name for name, probability in units.items() if probability > 0.55]
        affect = dict(zip(("valence", "arousal"), outputs["affect"].clip(-1, 1), strict=True))
        assert plain["affect"] == pytest.approx(affect, abs=1e-4)
        corner, size = face.box[:2], face.box[2:] - face.box[:2]
        points = outputs["eyes"].reshape(4, 2) * size + corner
        np.testing.assert_allclose(face.outputs["eyes"], points, atol=1e-4)
        np.testing.assert_allclose([*plain["eyes"].values()], points, atol=1e-4)
        assert [*plain["eyes"]] == ["mesh_33", "mesh_133", "mesh_362", "mesh_263"]
        for name in ("expression", "confidence", "probabilities", "landmarks"):
            with pytest.raises(AttributeError, match=r"the model has no task '(expression|landmarks)'; see"):
                getattr(face, name)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("batch_size", 0), ("max_faces", -1), ("min_detection_confidence", 2.0), ("engine", "x"),
        ("zoom_levels", 0), ("landmarker", "nowhere.task"),
    ],
)  # fmt: skip
def test_load__names_an_argument_out_of_its_range(run_folder: Path, argument: str, value: Any) -> None:
    name = "model_path|landmarker" if argument == "landmarker" else argument
    with pytest.raises(ConfigError, match=name):
        faceml.load(run_folder, **{argument: value})
