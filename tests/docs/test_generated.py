"""The reference has every command and every setting."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generated import on_page_markdown, settings

CONFIGS = Path(__file__).parents[2] / "configs"


def leaves(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("extract_landmarks", "extract:ExtractConfig"),
        ("multitask_affectnet", "train:TrainConfig"),
        ("arcface_casia", "recognition:RecognitionConfig"),
        ("evaluate", "evaluate:EvaluateConfig"),
        ("evaluate_recognition", "evaluate_recognition:EvaluateRecognitionConfig"),
        ("predict", "predict:PredictConfig"),
        ("export", "export:ExportConfig"),
        ("synth", "synth:SynthConfig"),
    ],
)
def test_settings__has_every_key_of_the_shipped_file(file: str, model: str) -> None:
    module, name = model.split(":")
    table = settings(f"faceml.config.{module}", name)
    told = {line.split("`")[1] for line in table.splitlines()[2:]}
    for key in leaves(yaml.safe_load((CONFIGS / f"{file}.yaml").read_text("utf-8"))):
        # Kinds are told as the values of what they are of, and what splits there are is free.
        of_kind = key.rpartition(".")[0] if key.endswith((".kind", ".name")) else key
        assert of_kind in told or key.startswith(("splits.", "sets.")), key


def test_settings__says_what_is_allowed_and_what_comes_without() -> None:
    rows = settings("faceml.config.train", "TrainConfig").splitlines()
    (epochs,) = [row for row in rows if row.startswith("| `training.epochs` ")]
    assert "whole number ≥ 1" in epochs
    (kind,) = [row for row in rows if row.startswith("| `weighting` ")]
    assert "`kind: fixed` or `kind: uncertainty` or" in kind
    assert "kind: uncertainty," in kind.split("|")[3] or "kind: uncertainty |" in f"{kind.split('|')[3]}|"
    rate, _ = [row for row in rows if row.startswith("| `weighting.temperature` ")]
    assert "(kind: dwa)" in rate
    rows = settings("faceml.config.tune", "TuneConfig", ["train"]).splitlines()
    assert not [row for row in rows if row.startswith("| `train.")]


def test_on_page_markdown__has_every_command_with_an_example() -> None:
    page = on_page_markdown("# Commands\n\n<!-- commands -->\n")
    for command in ("extract", "train", "tune", "transfer", "predict", "forget"):
        assert f"## `faceml {command}`" in page
        assert f"```text\nfaceml {command} " in page
    assert "Example:" not in page
