"""Audit for validation images with near-duplicates in the training split."""

import logging
from pathlib import Path

import pytest
import torch

from faceml.config.config_error import ConfigError
from faceml.config.loading import parse_config
from faceml.config.recognition import RecognitionDataConfig
from faceml.config.train import DataConfig
from faceml.quality.overlap import audit_leakage
from faceml.tables.landmark_table import write_shard
from faceml.tables.schema import landmark_schema, table_metadata

HASHES = {
    "train": [0x0, 0xFF00FF00FF00FF00, 0x123456789ABCDEF0, 0xFFFFFFFFFFFFFFFF],
    "val": [0x123456789ABCDEF1, 0x00000000FFFFFFFF, 0xFF00FF00FF00FF03, 0xFFFFFFFFFFFFFF00],
}
"""In `val`, the first hash is 1 bit, the third 2 bits and the last 8 bits from one of `train`."""


def data(root: Path, **leakage: object) -> DataConfig:
    schema = landmark_schema(table_metadata({"name": "test"}, {}, "0"))
    for split, hashes in HASHES.items():
        rows = [
            {
                "image_id": f"0/{split}{number}.jpg",
                "folder": "0",
                "status": "no_face",
                "dhash": value,
                "content_sha256": f"{split}{number}".encode().ljust(32),
            }
            for number, value in enumerate(hashes)
        ]
        rows.append({"image_id": "0/empty.jpg", "folder": "0", "status": "empty_file"})
        write_shard(rows, schema, root / split / "a.parquet")
    splits = {split: {"table": str(root / split)} for split in HASHES}
    return parse_config(DataConfig, {**splits, "leakage": leakage})


def test_audit_leakage__counts_and_names_near_duplicates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        audit_leakage(data(tmp_path))
    assert caplog.messages == [
        "2 of 4 validation images have a near-duplicate in the training split "
        "(0/val0.jpg = 0/train2.jpg, 0/val2.jpg = 0/train1.jpg): validation metrics are optimistic."
    ]


def test_audit_leakage__strict_refuses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.leakage\.on_found: strict: 2 of 4 .* set it to warn\."):
        audit_leakage(data(tmp_path, on_found="strict"))
    audit_leakage(data(tmp_path, on_found="strict", max_hash_distance=0))


def test_audit_leakage__the_distance_is_that_of_the_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        audit_leakage(data(tmp_path, max_hash_distance=1))
        audit_leakage(data(tmp_path, max_hash_distance=8))
        audit_leakage(data(tmp_path, max_hash_distance=0))
        audit_leakage(data(tmp_path, on_found="ignore"))
    assert [message[:10] for message in caplog.messages] == ["1 of 4 val", "3 of 4 val", "No validat"]


def test_audit_leakage__compares_the_rows_of_the_splits_of_one_table(tmp_path: Path) -> None:
    table = str(Path(data(tmp_path).train.table))

    def audit(train: list[str], val: list[str]) -> list[str]:
        where = {"train": train, "val": val}
        splits = {s: {"table": table, "where": {"image_id": names}} for s, names in where.items()}
        return audit_leakage(parse_config(DataConfig, splits))

    names = [f"0/train{number}.jpg" for number in range(4)]
    assert audit(names[:2], names[2:]) == []
    (finding,) = audit(names[:3], names[2:])
    assert finding.startswith(
        "1 of 2 validation images have a near-duplicate in the training split (0/train2"
    )


def test_audit_leakage__of_the_rows_that_the_starting_weights_were_trained_on(tmp_path: Path) -> None:
    settings = data(tmp_path, max_hash_distance=0)
    save_model(tmp_path / "a.pt", tmp_path / "val")
    model = torch.load(tmp_path / "a.pt")
    for name, found in (("0/empty.jpg", False), ("0/val0.jpg", True)):
        model["config"]["data"]["train"]["where"] = {"image_id": [name]}
        torch.save(model, tmp_path / "a.pt")
        assert bool(audit_leakage(settings, [str(tmp_path / "a.pt")])) == found


def test_audit_leakage__a_split_without_any_image_has_no_duplicates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HASHES, "val", [])
    with caplog.at_level(logging.INFO):
        audit_leakage(data(tmp_path))
    assert caplog.messages == ["No validation image has a near-duplicate in the training split."]


def save_model(file: Path, table: Path, weights: str = "none", **sections: object) -> str:
    config = {"data": {"train": {"table": str(table)}}, "model": {"weights": weights}, **sections}
    torch.save({"config": config}, file)
    return str(file)


def test_audit_leakage__of_what_the_starting_weights_were_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = data(tmp_path, max_hash_distance=0)
    first = save_model(tmp_path / "first.pt", tmp_path / "val")
    second = save_model(tmp_path / "second.pt", tmp_path / "train", first)
    with caplog.at_level(logging.WARNING):
        findings = audit_leakage(settings, [second, "imagenet"])
    expected = (
        "4 of 4 validation images have a near-duplicate in the training split of the starting weights "
        f"{first} (0/val0.jpg = 0/val0.jpg, 0/val1.jpg = 0/val1.jpg, 0/val2.jpg = 0/val2.jpg, …): validation "
        "metrics are optimistic."
    )
    assert findings == caplog.messages == [expected]
    strict = data(tmp_path, max_hash_distance=0, on_found="strict")
    with pytest.raises(ConfigError, match=r"strict: 4 of 4 .* use other weights, or set it to warn"):
        audit_leakage(strict, [second])
    assert audit_leakage(strict, [save_model(tmp_path / "third.pt", tmp_path / "train")]) == []


def test_audit_leakage__of_people_whom_the_starting_weights_know(tmp_path: Path) -> None:
    plain = data(tmp_path, max_hash_distance=0).model_dump(mode="json", include={"train", "val", "leakage"})
    settings = parse_config(RecognitionDataConfig, plain)
    people = save_model(tmp_path / "people.pt", tmp_path / "train", margin={})
    expressions = save_model(tmp_path / "expressions.pt", tmp_path / "train")
    assert audit_leakage(settings, [expressions]) == []  # its folders are no people
    assert audit_leakage(settings, [people]) == [
        "1 of 1 validation people have the name of a person in the training split of the starting weights "
        f"{people} (0): they are not unseen."
    ]


def test_audit_leakage__warns_of_weights_of_unknown_origin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = save_model(tmp_path / "gone.pt", tmp_path / "moved")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "plain.pt")
    settings = data(tmp_path, max_hash_distance=0, on_found="strict")
    with caplog.at_level(logging.WARNING):
        assert audit_leakage(settings, [gone, str(tmp_path / "plain.pt")]) == []
    cannot, unknown = caplog.messages
    assert f"gone.pt: the images that these weights were trained on cannot be read from {tmp_path}" in cannot
    assert "plain.pt: the images that these weights were trained on are unknown" in unknown
