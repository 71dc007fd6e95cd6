"""Data sets of a table and its images."""

import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from faceml.config.config_error import ConfigError
from faceml.datasets.batches import FaceLoader
from faceml.datasets.face_dataset import FaceDataset
from faceml.datasets.labelled_faces import FaceSample
from faceml.datasets.person_dataset import AlignedPreprocessing, PersonDataset
from faceml.datasets.preprocessing import Preprocessing
from faceml.errors import StoppedError
from faceml.images.decoding import RgbImage, decode_image, encode_jpeg, shrink
from faceml.storage.folder import StorageFolder
from faceml.tables.label_table import NamedCount
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from tests.crowd_table import COLORS, NAMES, SEEN, write_crowd_table
from tests.default_tasks import assert_same_faces, default_pair
from tests.flaky_store import FlakyStore

METADATA = table_metadata({"name": "test"}, {}, "0")
# In no order, as shards come; two rows without a face, two without pixels.
IMAGES = {
    "7/é ö.jpg": "ok",
    "happy/b.jpg": "ok",
    "0/a.jpg": "ok",
    "3/c.jpg": "no_face",
    "3/b.jpg": "ok",
    "5/z.jpg": "no_face",
    "1/text.jpg": "undecodable",
    "1/empty.jpg": "empty_file",
    "2/empty.jpg": "empty_file",
}
SORTED = ["0/a.jpg", "3/b.jpg", "3/c.jpg", "5/z.jpg", "7/é ö.jpg", "happy/b.jpg"]


def photo(seed: int, height: int = 90, width: int = 120) -> RgbImage:
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def points(seed: int, number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng((seed, number)).random((number, 2), dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`images`, and a `table` of two shards with copies of them."""
    root = tmp_path_factory.mktemp("dataset")
    rows: list[dict[str, Any]] = []
    for seed, (image_id, status) in enumerate(IMAGES.items()):
        row: dict[str, Any] = {"image_id": image_id, "folder": image_id.partition("/")[0], "status": status}
        file = root / "images" / image_id
        file.parent.mkdir(parents=True, exist_ok=True)
        if status in ("ok", "no_face"):
            file.write_bytes(encode_jpeg(photo(seed), 97))
            row["image_jpeg"] = encode_jpeg(shrink(photo(seed), 80), 97)
        if status == "ok":
            row |= {f"landmarks_{number}": points(seed, number).ravel() for number in (5, 10)}
        rows.append(row)
    schema = landmark_schema(METADATA, with_image=True)
    write_shard(rows[:4], schema, root / "table" / "a.parquet")
    write_shard(rows[4:], schema, root / "table" / "b.parquet")
    return root


def dataset(folder: Path, number: Literal[5, 10] = 5, *, copies: bool = False, **options: Any) -> FaceDataset:
    return FaceDataset(
        folder / "table",
        None if copies else folder / "images",
        number,
        Preprocessing(48),
        list(default_pair(number).values()),
        cache=folder / "cache",
        **options,
    )


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("number", [5, 10])
def test_face_dataset__joins_labels_landmarks_and_pixels(
    number: Literal[5, 10], copies: bool, folder: Path
) -> None:
    faces = dataset(folder, number, copies=copies)
    assert list(faces.image_ids) == SORTED
    assert len(faces) == 6
    expression, landmarks = faces.targets["expression"], faces.targets["landmarks"]
    assert expression.values.tolist() == [0, 3, 3, 5, 7, 1]
    assert expression.known.all()
    assert faces.left_out == {
        "undecodable": NamedCount(1, ("1/text.jpg",)),
        "empty_file": NamedCount(2, ("1/empty.jpg", "2/empty.jpg")),
    }
    assert default_pair()["expression"].group_counts(expression) == [1, 1, 0, 2, 0, 1, 0, 1]
    assert faces.has_landmarks.tolist() == landmarks.known.tolist()
    for index, image_id in enumerate(SORTED):
        seed = list(IMAGES).index(image_id)
        sample = faces[index]
        assert (sample.image.shape, sample.image.dtype) == ((3, 48, 48), torch.uint8)
        direct = np.asarray(Image.fromarray(photo(seed)).resize((48, 48), Image.Resampling.BILINEAR))
        assert np.abs(sample.image.permute(1, 2, 0).numpy() - direct.astype(int)).mean() < 3
        assert sample.position.item() == index
        label, points_of = sample.targets["expression"], sample.targets["landmarks"]
        assert (label.values.item(), label.known.item()) == (expression.values[index], True)
        assert label.values.dtype == torch.int64
        detected = IMAGES[image_id] == "ok"
        assert points_of.known.item() is detected
        expected = points(seed, number) if detected else np.zeros((number, 2))
        np.testing.assert_array_equal(points_of.values.numpy(), expected)


def test_face_dataset__folder_and_copies_give_the_same_faces(folder: Path) -> None:
    of_folder, of_copies = dataset(folder), dataset(folder, copies=True)
    for one, other in ((of_folder[i], of_copies[i]) for i in range(len(SORTED))):
        assert (one.image.int() - other.image.int()).abs().float().mean() < 3
        assert_same_faces(one._replace(image=other.image), other)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_face_dataset__threads_share_a_batch_and_keep_its_order(threads: int, folder: Path) -> None:
    faces = dataset(folder)
    order = [4, 1, 5, 0, 2, 3, 1]
    torch.set_num_threads(1)
    alone = faces.__getitems__(order)
    torch.set_num_threads(threads)
    together = faces.__getitems__(order)
    torch.set_num_threads(1)
    assert together.position.tolist() == order
    assert_same_faces(alone, together)


@pytest.mark.parametrize("processes", [0, 2])
def test_face_dataset__batches_through_a_loader(processes: int, folder: Path) -> None:
    batch = next(iter(FaceLoader(dataset(folder), 6, processes)))
    assert batch.image.shape == (6, 3, 48, 48)
    assert batch.targets["landmarks"].values.shape == (6, 5, 2)
    assert batch.targets["landmarks"].known.tolist() == [True, True, False, False, True, True]
    assert batch.position.tolist() == list(range(6))
    moved = batch.to(torch.device("meta"))
    assert isinstance(moved, FaceSample)
    of_targets = [part for target in moved.targets.values() for part in target]
    assert all(values.device.type == "meta" for values in (moved.image, moved.position, *of_targets))


@pytest.mark.parametrize("copies", [False, True])
def test_face_dataset__in_a_store_is_the_same_in_this_process_and_in_loader_processes(
    copies: bool, folder: Path, in_s3: Callable[[Path], str]
) -> None:
    table, images = in_s3(folder / "table"), in_s3(folder / "images")
    tasks = list(default_pair().values())
    stored = FaceDataset(
        table, None if copies else images, 5, Preprocessing(48), tasks, cache=folder / "cache"
    )
    local = dataset(folder, copies=copies).__getitems__(list(range(6)))
    here = stored.__getitems__(list(range(6)))
    for faces in (here, *FaceLoader(stored, 6, 2)):
        assert_same_faces(faces, local)
    if not copies:
        StorageFolder(images).delete("3/b.jpg")
        with pytest.raises(StoppedError, match=r"^3/b\.jpg: missing or unreadable, but .* table s3://faces"):
            stored[1]
        with pytest.raises(ConfigError, match=r"has no 0/a\.jpg, an image of the table s3://"):
            FaceDataset(table, table, 5, Preprocessing(48))


def test_face_loader__unpacks_the_copies_before_its_processes_start(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table"
    shutil.copytree(folder / "table", table)
    tasks = list(default_pair().values())
    loader = FaceLoader(FaceDataset(table, None, 5, Preprocessing(48), tasks, cache=tmp_path / "cache"), 6, 1)
    shutil.rmtree(table)
    (loaded,) = loader
    assert_same_faces(loaded, dataset(folder, copies=True).__getitems__(list(range(6))))


def test_face_dataset__of_a_store_is_loaded_while_a_thread_waits_for_the_store(
    folder: Path, in_s3: Callable[[Path], str], s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread holds a lock of the store's client, which a forked process would have without the thread."""
    monkeypatch.setattr("faceml.datasets.batches.LOADER_TIMEOUT_S", 60)
    images = in_s3(folder / "images")
    faces = FaceDataset(folder / "table", images, 5, Preprocessing(48), list(default_pair().values()))
    asked, answered = Event(), Event()

    def wait(method: str, path: str) -> None:
        asked.set()
        answered.wait(60)

    with FlakyStore(s3_server, wait) as store, ThreadPoolExecutor(1) as thread:
        slow = StorageFolder(images.replace(s3_server, store.endpoint))
        reading = thread.submit(slow.read, "0/a.jpg")
        assert asked.wait(60)
        (loaded,) = FaceLoader(faces, 6, 1)
        assert not reading.done()
        answered.set()
    assert_same_faces(loaded, dataset(folder).__getitems__(list(range(6))))


@pytest.mark.parametrize("copies", [False, True])
def test_face_dataset__can_be_sent_to_a_spawned_process(copies: bool, folder: Path) -> None:
    faces = dataset(folder, copies=copies)
    again = pickle.loads(pickle.dumps(faces))
    assert_same_faces(again[4], faces[4])


def test_face_dataset__a_folder_that_names_no_expression_is_refused(folder: Path, tmp_path: Path) -> None:
    rows = [{"image_id": f"{name}/a.jpg", "folder": name, "status": "no_face"} for name in ("person_1", "0")]
    write_shard(rows, landmark_schema(METADATA, with_image=True), tmp_path / "table" / "a.parquet")
    with pytest.raises(ConfigError, match=r"table: folder: 'person_1' \(1 rows\): not among the classes"):
        dataset(tmp_path, copies=True)


def test_face_dataset__another_images_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: has no 0/a.jpg, an image of the table "):
        FaceDataset(folder / "table", tmp_path, 5, Preprocessing(48))


def test_face_dataset__a_table_without_copies_needs_the_folder(tmp_path: Path) -> None:
    rows = [{"image_id": "0/a.jpg", "folder": "0", "status": "no_face"}]
    write_shard(rows, landmark_schema(METADATA), tmp_path / "table" / "a.parquet")
    with pytest.raises(ConfigError, match="has no column image_jpeg"):
        dataset(tmp_path, copies=True)


@pytest.mark.parametrize(
    ("content", "said", "loader_processes"),
    [
        (b"", "empty_file", 0),
        (b"text", "undecodable", 0),
        (None, "missing or unreadable", 0),
        (None, "missing or unreadable", 1),  # PyTorch waits 5 s for a loader process that has failed
    ],
)
def test_face_dataset__an_image_that_changed_or_vanished_is_named_in_one_line(
    content: bytes | None, said: str, loader_processes: int, tmp_path: Path
) -> None:
    rows = [{"image_id": "0/a.jpg", "folder": "0", "status": "no_face"}]
    write_shard(rows, landmark_schema(METADATA), tmp_path / "table" / "a.parquet")
    (tmp_path / "images" / "0").mkdir(parents=True)
    file = tmp_path / "images" / "0" / "a.jpg"
    file.write_bytes(content or b"")
    faces = dataset(tmp_path)
    if content is None:
        file.unlink()
    with pytest.raises(StoppedError) as stopped:
        next(iter(FaceLoader(faces, 1, loader_processes)))
    assert str(stopped.value) == (
        f"0/a.jpg: {said}, but the landmark table {faces.table} was extracted from a readable image. Restore "
        "the image, or extract again with output.on_change=re-extract."
    )


def test_face_dataset__of_a_table_without_a_readable_image_is_empty(tmp_path: Path) -> None:
    rows = [{"image_id": "0/a.jpg", "folder": "0", "status": "undecodable"}]
    write_shard(rows, landmark_schema(METADATA), tmp_path / "table" / "a.parquet")
    faces = dataset(tmp_path)
    assert len(faces) == 0
    assert faces.left_out == {"undecodable": NamedCount(1, ("0/a.jpg",))}
    assert faces.targets["landmarks"].values.shape == (0, 5, 2)
    assert default_pair()["expression"].group_counts(faces.targets["expression"]) == [0] * 8


def test_face_dataset__copies_of_aligned_faces_are_refused_but_by_recognition(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    row = {"image_id": "0/a.jpg", "folder": "0", "status": "ok", "landmarks_5": np.full(10, 0.5)}
    row |= {"landmarks_10": np.full(20, 0.5), "image_jpeg": encode_jpeg(pixels, 95)}
    metadata = table_metadata({"name": "none"}, {"output": {"embed": {"align": True}}}, "0")
    write_shard([row], landmark_schema(metadata, with_image=True), tmp_path / "table" / "a.parquet")
    with pytest.raises(ConfigError, match="its copies are aligned faces"):
        dataset(tmp_path, copies=True)
    people = PersonDataset(tmp_path / "table", None, AlignedPreprocessing(48), tmp_path / "cache")
    # Such a copy is taken as it is; its landmarks, which tell of the whole image, would move it elsewhere.
    np.testing.assert_array_equal(people[0].image.numpy().transpose(1, 2, 0), decode_image(row["image_jpeg"]))
    assert people.people == ["0"]


def test_face_dataset__landmarks_of_copies_cut_to_the_face_are_those_of_the_copies(tmp_path: Path) -> None:
    points = np.tile([0.5, 0.25], 5)
    shared = {"folder": "0", "status": "ok", "landmarks_5": points, "landmarks_10": np.tile(points, 2)}
    copies = [encode_jpeg(np.zeros((8, 8, 3), dtype=np.uint8), 90)] * 2
    boxes = [[0.25, -0.25, 0.75, 0.75], None]
    rows = [
        shared
        | {"image_id": f"0/{name}.jpg", "image_jpeg": copy, "crop_box": box, "width": 200, "height": 100}
        for name, copy, box in zip("ab", copies, boxes, strict=True)
    ]
    metadata = table_metadata({"name": "none"}, {"output": {"embed": {"crop": {"margin": 0.1}}}}, "0")
    schema = landmark_schema(metadata, with_image=True, with_crop=True)
    write_shard(rows, schema, tmp_path / "table" / "a.parquet")
    faces = dataset(tmp_path, copies=True)
    seen = faces.targets["landmarks"].values
    np.testing.assert_allclose(seen[0], np.tile([0.5, 0.5], (5, 1)), atol=1e-6)
    np.testing.assert_allclose(seen[1], np.tile([0.5, 0.25], (5, 1)), atol=1e-6)
    framing = faces.framing()
    assert framing is not None
    np.testing.assert_allclose(framing.landmarks, np.tile([0.5, 0.375], (5, 1)), atol=1e-6)
    assert framing.aspect == pytest.approx(1.5)  # of a square, and of the whole image


@pytest.mark.parametrize("copies", [False, True])
def test_face_dataset__of_all_faces_shows_each_face_and_its_landmarks(
    copies: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faces = dataset(write_crowd_table(tmp_path), copies=copies)
    assert list(faces.names) == NAMES
    assert list(faces.image_ids) == [name.partition("#")[0] for name in NAMES]
    assert list(faces.keys)[:2] == [("0/pair.jpg", 0), ("0/pair.jpg", 1)]
    assert faces.left_out == {"undecodable": NamedCount(1, ("0/text.jpg",))}
    expression, landmarks = faces.targets["expression"], faces.targets["landmarks"]
    for index, name in enumerate(NAMES[:-1]):
        number = int(name.partition("#")[2] or 0)
        colors = faces.square(index).permute(1, 2, 0).reshape(-1, 3).float()
        assert (colors - torch.tensor(COLORS[number])).abs().mean() < 3, name
        np.testing.assert_allclose(landmarks.values[index], SEEN, atol=0.01)
        assert landmarks.known[index]
        # The folder is a label of the image, and of its face 0.
        assert bool(expression.known[index]) is (number == 0)
    nobody = faces.square(len(NAMES) - 1)
    assert (nobody.float() - 128).abs().mean() < 3, "the whole image"
    assert not landmarks.known[-1]
    assert expression.values[expression.known].tolist() == [0, 1, 1, 2]
    faces.log_left_out()
    assert "use a label table with a column 'face'. 0/pair.jpg#1, 1/three.jpg#1" in caplog.text
    framing = faces.framing()
    assert framing is not None
    np.testing.assert_allclose(framing.landmarks, SEEN, atol=0.01)
    assert framing.aspect == pytest.approx(1, abs=0.02)


def test_face_dataset__faces_of_large_photographs_are_decoded_large_enough(tmp_path: Path) -> None:
    """At an eighth of its size, which suffices for the whole image, the face would have 19 px."""
    photograph = np.full((1600, 2400, 3), 90, dtype=np.uint8)
    photograph[600:750, 1500:1650] = 250
    (tmp_path / "images" / "0").mkdir(parents=True)
    (tmp_path / "images" / "0" / "a.jpg").write_bytes(encode_jpeg(photograph, 97))
    row = {"image_id": "0/a.jpg", "folder": "0", "status": "ok", "width": 2400, "height": 1600, "face": 0}
    row |= {"box": [1525 / 2400, 625 / 1600, 1625 / 2400, 725 / 1600]}
    row |= {f"landmarks_{number}": np.full(2 * number, 0.5) for number in (5, 10)}
    write_shard([row], landmark_schema(METADATA, with_faces=True), tmp_path / "table" / "a.parquet")
    faces = dataset(tmp_path)
    assert faces.pixels(0).shape == (75, 75, 3), "a half, the smallest scale of at least 48 px"
    assert faces.pixels(0).min() > 240


@pytest.mark.parametrize("copies", [False, True])
def test_person_dataset__of_all_faces_has_nobody_but_the_person_of_the_folder(
    copies: bool, tmp_path: Path
) -> None:
    root = write_crowd_table(tmp_path)
    people = PersonDataset(
        root / "table", None if copies else root / "images", AlignedPreprocessing(48), root / "cache"
    )
    assert list(people.names) == list(people.image_ids) == ["0/pair.jpg", "1/alone.jpg", "1/three.jpg"]
    assert people.labels.tolist() == [0, 1, 1]
    (reason,) = people.left_out.keys() - {"undecodable", "no_face"}
    assert reason == "further faces of photos, of which the folder does not name the person"
    others = ("0/pair.jpg#1", "1/three.jpg#1", "1/three.jpg#2")
    assert people.left_out[reason] == NamedCount(3, others)
    for index in range(3):
        middle = people.square(index)[:, 16:40, 16:32].permute(1, 2, 0).reshape(-1, 3).float()
        assert (middle - torch.tensor(COLORS[0])).abs().mean() < 3
