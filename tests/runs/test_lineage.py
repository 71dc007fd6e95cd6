"""Models behind starting weights."""

from pathlib import Path

import torch

from faceml.runs.lineage import find_ancestors


def test_find_ancestors__follows_the_weights_of_the_weights(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.pt" for name in ("first", "second", "third"))
    for file, weights, table in ((first, "imagenet", "/t/1"), (second, str(first), "/t/2")):
        torch.save({"config": {"model": {"weights": weights}, "data": {"train": {"table": table}}}}, file)
    torch.save({"config": {"model": {"weights": str(tmp_path / "gone.pt")}, "margin": {}}}, third)
    found = find_ancestors(str(second))
    assert [(each.place, str(each.training_split)) for each in found] == [
        (str(second), "/t/2"),
        (str(first), "/t/1"),
    ]
    people, gone = find_ancestors(f"{tmp_path}/./third.pt")
    assert people.is_recognition
    assert gone.config is None
    assert find_ancestors("imagenet") == find_ancestors("none") == []
    torch.save({"config": {"model": {"weights": str(first)}}}, first)
    assert len(find_ancestors(str(first))) == 1
