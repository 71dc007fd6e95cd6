"""Training of face recognition on people of one colour each: accuracy, resuming, and errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.recognition import RecognitionConfig
from faceml.images.alignment import align_face, template
from faceml.images.decoding import decode_image, encode_jpeg
from faceml.metrics.verification import ScoredPairs, verification_accuracy
from faceml.tables.label_table import NamedCount
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata
from faceml.tables.sorted_rows import read_table
from faceml.training.observer import EpochRecord, NonFiniteStep, StepRecord
from faceml.training.recognition import build_people, build_recognition_trainer
from faceml.training.verification.pairs_table import read_pairs_table, write_pairs
from faceml.training.verification.scoring import score_pairs

pytestmark = pytest.mark.usefixtures("narrow_backbone")

SIDE = 40


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tables` and `images` of 12 people to train on and 8 others, 6 images each, and one without a face."""
    root, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    points = (template(SIDE) + 0.5) / SIDE
    for split, names in (("train", range(12)), ("val", range(20, 28))):
        rows = []
        for person in names:
            color = (
                np.random.default_rng(person)
                .uniform(40, 215, (2, 2, 3))
                .repeat(SIDE // 2, 0)
                .repeat(SIDE // 2, 1)
            )
            for number in range(6):
                image_id = f"person{person:02d}/{number:04d}.jpg"
                pixels = (color + rng.normal(0, 12, color.shape)).clip(0, 255).astype(np.uint8)
                file = root / "images" / split / image_id
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(encode_jpeg(pixels, 92))
                row: dict[str, Any] = {"image_id": image_id, "folder": f"person{person:02d}", "status": "ok"}
                rows.append(row | {"landmarks_5": points.ravel().astype(np.float32)})
        rows[3] |= {"status": "no_face", "landmarks_5": None}
        write_shard(rows, schema, root / "tables" / split / "a.parquet")
    return root


def config_of(people: Path, folder: Path, **changes: Any) -> RecognitionConfig:
    plain: dict[str, Any] = {
        "data": {
            **{
                s: {"table": str(people / "tables" / s), "images": str(people / "images" / s)}
                for s in ("train", "val")
            },
            "image_size": 32,
            "sampling": "pk",
            "people_per_batch": 4,
            "images_per_person": 3,
            "pairs": {"number": 200},
        },
        "model": {"embedding_dim": 32},
        "margin": {"kind": "arcface", "scale": 16.0, "margin": 0.2},
        "optimizer": {"name": "adamw", "learning_rate": 1e-3, "head_multiplier": 3.0},
        "training": {"epochs": 4, "warmup_epochs": 1},
        "run": {"folder": str(folder / "run")},
    }
    for key, value in changes.items():
        plain[key] = plain.get(key, {}) | value if isinstance(value, dict) else value
    return parse_config(RecognitionConfig, plain)


class Records:
    """Keep the records of epochs."""

    def __init__(self) -> None:
        self.epochs: list[EpochRecord] = []

    def on_step(self, record: StepRecord) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record)

    def on_nonfinite_step(self, record: NonFiniteStep) -> None:
        raise AssertionError(record)


def train(config: RecognitionConfig, epochs: int, resume: Path | None = None) -> tuple[Any, Records]:
    trainer, records = build_recognition_trainer(config, torch.device("cpu")), Records()
    if resume is not None:
        trainer.resume(resume)
    trainer.fit(epochs, records)
    return trainer, records


def test_training__learns_to_tell_people_apart_whom_it_never_saw(people: Path, tmp_path: Path) -> None:
    _, records = train(config_of(people, tmp_path), 4)
    first, last = records.epochs[0].metrics, records.epochs[-1].metrics
    assert last["train/loss_identity"] < first["train/loss_identity"] - 1
    assert last["verification/accuracy"] > 0.85
    assert last["verification/top_1"] > 0.7
    assert last["train/images_per_person"] == 3.0
    assert last["train/cosine_own"] > last["train/cosine_others"] + 0.2
    assert np.isnan(last["verification/tar_at_far_1e-3"])
    assert records.epochs[0].arrays == {}


def test_training__of_a_network_of_timm_has_its_own_layers_and_a_finite_loss(
    people: Path, tmp_path: Path
) -> None:
    model = {"backbone": "timm/mobilenetv3_small_100", "stem_stride": 1}
    training = {"epochs": 1, "freeze_backbone_epochs": 1}
    trainer, records = train(config_of(people, tmp_path, model=model, training=training), 1)
    assert np.isfinite(records.epochs[0].metrics["train/loss_identity"])
    assert trainer.model.backbone.conv_stem.stride == (1, 1)
    groups = {group["name"] for group in trainer.optimizer.param_groups}
    assert groups == {"heads", *(f"backbone.stage{number}" for number in range(8))}


@pytest.mark.parametrize("sampling", ["pk", "naive"])
def test_training__resumed_is_the_same_bit_for_bit(people: Path, tmp_path: Path, sampling: str) -> None:
    config = config_of(people, tmp_path, margin_warmup_epochs=2)
    config = config.model_copy(update={"data": config.data.model_copy(update={"sampling": sampling})})
    whole, records = train(config, 3)
    part, some = train(config, 1)
    part.save(some.epochs[-1].metrics, tmp_path)
    resumed, rest = train(config, 3, tmp_path)
    for name, value in whole.objective.state_dict().items():
        assert torch.equal(value, resumed.objective.state_dict()[name]), name
    measured = [
        {k: v for k, v in r.metrics.items() if "second" not in k}
        for r in (records.epochs[-1], rest.epochs[-1])
    ]
    np.testing.assert_equal(*measured)


def test_training__both_samplings_see_as_many_images(people: Path, tmp_path: Path) -> None:
    steps = []
    for sampling in ("pk", "naive"):
        config = config_of(people, tmp_path)
        config = config.model_copy(update={"data": config.data.model_copy(update={"sampling": sampling})})
        steps.append(len(build_recognition_trainer(config, torch.device("cpu")).train_batches))
    assert steps[0] == steps[1] == 6  # 71 images of 12 people: twice three steps of four people


def test_build_people__of_one_table_by_where(people: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    names = read_table(people / "tables" / "train", [])["image_id"].to_pylist()
    file.write_text(
        "image_id,split\n" + "".join(f"{n},{'val' if n < 'person06' else 'train'}\n" for n in names)
    )
    config = config_of(people, tmp_path).model_dump(mode="json")
    for split in ("train", "val"):
        config["data"][split] = config["data"]["train"] | {"labels": str(file), "where": {"split": split}}
    opened = build_people(parse_config(RecognitionConfig, config).data)
    assert opened.val.people == [f"person{number:02d}" for number in range(6)]
    assert opened.train.people == [f"person{number:02d}" for number in range(6, 12)]
    assert set(opened.pairs.images.ravel()) <= set(range(len(opened.val)))


def test_build_people__of_sources_are_different_people(people: Path, tmp_path: Path) -> None:
    """Two sources have folders of the same names; a pairs file names those of one."""
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    names = {"train": ("a", "b"), "val": ("lfw",)}
    config = config_of(people, tmp_path).model_dump(mode="json")
    for split, sources in names.items():
        rows = [
            row | {"source": source, "image_id": f"{source}/{row['image_id']}"}
            for row in read_table(people / "tables" / split).to_pylist()
            for source in sources
        ]
        write_shard(rows, schema, tmp_path / split / "a.parquet")
        images = {source: str(people / "images" / split) for source in sources}
        config["data"][split] = {"table": str(tmp_path / split), "images": images}
    pairs = ["2\t1", "person20 0 1", "person20 0 person21 1", "person22 0 1", "person22 0 person23 1"]
    (tmp_path / "pairs.txt").write_text("\n".join(pairs))
    config["data"]["pairs"] = {"file": str(tmp_path / "pairs.txt")}
    opened = build_people(parse_config(RecognitionConfig, config).data)
    assert len(opened.train.people) == 24
    assert opened.train.people[:2] == ["a/person00", "a/person01"]
    assert opened.val.image_ids[int(opened.pairs.images[1, 1])] == "lfw/person21/0001.jpg"
    assert opened.val.square(0).ndim == 3

    scored = ScoredPairs(
        np.arange(4.0), opened.pairs.same, opened.pairs.folds, opened.val.labels.numpy()[opened.pairs.images]
    )
    write_pairs(scored, opened.pairs, opened.val.image_ids, tmp_path / "pairs.parquet")
    assert read_pairs_table(tmp_path / "pairs.parquet").people.tolist() == [[0, 0], [0, 1], [2, 2], [2, 3]]


def test_build_people__faces_that_cannot_be_aligned_are_left_out(people: Path, tmp_path: Path) -> None:
    opened = build_people(config_of(people, tmp_path).data)
    assert len(opened.train) == 12 * 6 - 1
    assert opened.train.left_out == {"no_face": NamedCount(1, ("person00/0003.jpg",))}
    assert opened.train.people == [f"person{number:02d}" for number in range(12)]
    names = [opened.val.image_ids[position].split("/")[0] for position in range(len(opened.val))]
    assert [opened.val.people[label] for label in opened.val.labels.tolist()] == names


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Two folds of four pairs each; one image of the first pair has no landmarks, see `people`."""
    lines = ["2\t2"]
    for one, other in (("person20", "person21"), ("person22", "person23")):
        lines += [f"{one}\t3\t4", f"{other}\t1\t2", f"{one}\t1\t{other}\t1", f"{one}\t2\t{other}\t2"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    return tmp_path / "pairs.txt"


def with_pairs(config: RecognitionConfig, file: Path, rule: str) -> RecognitionConfig:
    pairs = config.data.pairs.model_copy(update={"file": file, "without_landmarks": rule})
    return config.model_copy(update={"data": config.data.model_copy(update={"pairs": pairs})})


def test_build_people__a_face_without_landmarks_is_aligned_like_the_average(
    people: Path, pairs_file: Path, tmp_path: Path
) -> None:
    opened = build_people(with_pairs(config_of(people, tmp_path), pairs_file, "average_face").data)
    assert len(opened.val) == 8 * 6
    place = list(opened.val.image_ids).index("person20/0003.jpg")
    assert np.flatnonzero(opened.val.undetected).tolist() == [place]
    # All others have the same landmarks, and so has their average.
    content = (people / "images" / "val" / "person20" / "0003.jpg").read_bytes()
    pixels = decode_image(content)
    assert not isinstance(pixels, str)
    expected = align_face(pixels, (template(SIDE) + 0.5) / SIDE, 32)
    found = opened.val.square(place).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(found.astype(int), expected, atol=1)  # landmarks of tables are float32
    assert opened.without_landmarks == {"images": 1, "pairs": 1, "rule": "average_face"}
    assert not opened.train.undetected.any()


def test_score_split__pairs_that_count_as_wrong_are_wrong_at_any_threshold(
    people: Path, pairs_file: Path, tmp_path: Path
) -> None:
    opened = build_people(with_pairs(config_of(people, tmp_path), pairs_file, "wrong").data)
    assert opened.without_landmarks == {"images": 1, "pairs": 1, "rule": "wrong"}
    embeddings = np.eye(8)[opened.val.labels.numpy()]  # a network that tells everybody apart
    scored = score_pairs(embeddings, opened.pairs, opened.val.labels.numpy())
    assert scored.scores.tolist() == [-1, 1, 0, 0, 1, 1, 0, 0]
    assert verification_accuracy(scored) == 7 / 8
    averaged = build_people(with_pairs(config_of(people, tmp_path), pairs_file, "average_face").data)
    assert verification_accuracy(score_pairs(embeddings, averaged.pairs, opened.val.labels.numpy())) == 1


@pytest.mark.parametrize("known", [True, False])
def test_write_pairs__is_read_back_with_the_people_if_they_are_known(
    people: Path, tmp_path: Path, known: bool
) -> None:
    """Pairs of images by name: those of one folder show one person, or in half of them two."""
    lines = []
    for number in range(20, 28):
        lines += [f"person{number}/0000.jpg person{number}/0001.jpg 1"]
        lines += [
            f"person{number}/0001.jpg person{number if not known else 20 + (number + 1) % 8}/0002.jpg 0"
        ]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    opened = build_people(
        with_pairs(config_of(people, tmp_path), tmp_path / "pairs.txt", "average_face").data
    )
    embeddings = np.random.default_rng(0).normal(size=(8 * 6, 8))
    scored = score_pairs(embeddings, opened.pairs, opened.val.labels.numpy())
    write_pairs(scored, opened.pairs, opened.val.image_ids, tmp_path / "pairs.parquet")
    read = read_pairs_table(tmp_path / "pairs.parquet")
    for written, found in zip(scored, read, strict=True):
        np.testing.assert_array_equal(found, written)
    assert read.num_people == (8 if known else None)


def test_build_people__a_person_in_both_splits_is_refused(people: Path, tmp_path: Path) -> None:
    config = config_of(people, tmp_path).data
    twice = config.model_copy(update={"val": config.train})
    with pytest.raises(
        ConfigError, match=r"12 of its 12 people are in data.train.table too \(person00, person01"
    ):
        build_people(twice)


def test_build_people__a_person_in_both_splits_is_refused_if_only_one_table_has_sources(
    people: Path, tmp_path: Path
) -> None:
    config = config_of(people, tmp_path).data
    rows = read_table(people / "tables" / "train").to_pylist()
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"), with_source=True)
    with_source = [row | {"image_id": f"casia/{row['image_id']}", "source": "casia"} for row in rows]
    write_shard(with_source, schema, tmp_path / "table" / "a.parquet")
    train = config.train.model_copy(
        update={"table": str(tmp_path / "table"), "images": {"casia": str(people / "images" / "train")}}
    )
    with pytest.raises(ConfigError, match=r"12 of its 12 people are in data.train.table too \(person00"):
        build_people(config.model_copy(update={"train": train, "val": config.train}))
    assert len(build_people(config.model_copy(update={"train": train})).train.people) == 12


def test_build_recognition_trainer__too_few_people_for_a_step_are_refused(
    people: Path, tmp_path: Path
) -> None:
    config = config_of(people, tmp_path)
    config = config.model_copy(update={"data": config.data.model_copy(update={"people_per_batch": 13})})
    with pytest.raises(ConfigError, match=r"data.people_per_batch = 13: .* has 12. Choose a smaller one"):
        build_recognition_trainer(config, torch.device("cpu"))
