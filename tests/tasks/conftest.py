"""Kind of task of another package, which is not installed."""

import importlib.util
from types import ModuleType

import pytest

from tests.job import REPOSITORY


@pytest.fixture(scope="session")
def ordinal() -> ModuleType:
    """The module of another package, which is not installed."""
    file = REPOSITORY / "tests" / "ordinal_kind" / "faceml_ordinal.py"
    spec = importlib.util.spec_from_file_location("faceml_ordinal", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
