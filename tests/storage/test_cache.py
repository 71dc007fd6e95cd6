from pathlib import Path

import pytest

from faceml.storage.cache import user_cache


def test_user_cache__follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEML_CACHE", str(tmp_path / "cache"))
    assert user_cache() == tmp_path / "cache"
    monkeypatch.delenv("FACEML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache() == tmp_path / "xdg" / "faceml"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache() == tmp_path / "home" / ".cache" / "faceml"
