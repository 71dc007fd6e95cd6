import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from faceml.formats.registry import FORMATS, find_format, find_import_commands
from ray_jobs.cli import app
from tests.formats.shipped import SHIPPED


def test_formats__are_those_of_the_help_text() -> None:
    parameters = get_command(app).commands["import"].params
    (text,) = [option.help for option in parameters if option.metavar == "FORMAT"]
    assert text == f"Format of the data set: {', '.join(FORMATS)}."


def test_formats__have_a_sample_each() -> None:
    assert SHIPPED.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_find_import_commands__names_the_data_set_and_the_command(
    name: str, shipped: Callable[[str], Path], tmp_path: Path
) -> None:
    source = shipped(name).rename(tmp_path / "one folder")
    data_set = FORMATS[name].description.partition(":")[0]
    expected = {data_set: f"faceml import {name} '{source}' OUTPUT"}
    assert find_import_commands(str(source)) == expected
    assert find_import_commands({"a": "s3://bucket/faces", "b": f"file://{source}"}) == expected
    assert find_import_commands(str(tmp_path)) == {}


@pytest.mark.parametrize("folder", ["", "images", "train", "Manually_Annotated_Images"])
def test_find_format__lists_no_folder(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of images may have millions of names."""
    (tmp_path / folder).mkdir(exist_ok=True)
    monkeypatch.setattr(os, "scandir", None)
    monkeypatch.setattr(os, "listdir", None)
    assert find_format(tmp_path) is None
    assert find_format(tmp_path / folder) is None
