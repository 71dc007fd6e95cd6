"""The extra, where it is missing."""

import pytest

from faceml.config.config_error import ConfigError
from faceml.export import packages


def test_refuse_missing_packages__names_the_extra_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    packages.refuse_missing_packages(["onnx", "exported_program"])
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    packages.refuse_missing_packages(["exported_program"])
    with pytest.raises(ConfigError, match=r"pip install 'faceml\[export\]'") as refused:
        packages.refuse_missing_packages(["onnx"])
    assert "\n" not in str(refused.value)
