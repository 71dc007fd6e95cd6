"""The packages that an export needs beside PyTorch, which are an extra."""

from collections.abc import Sequence
from importlib.util import find_spec

from faceml.config import ConfigError

FOR_ONNX = ("onnx", "onnxruntime", "onnxscript")


def refuse_missing_packages(formats: Sequence[str]) -> None:
    """Refuse formats whose packages are not installed.

    Args:
        formats: Of `ExportConfig`.

    Raises:
        ConfigError: Names the package and how to get it.
    """
    missing = [package for package in FOR_ONNX if find_spec(package) is None] if "onnx" in formats else []
    if missing:
        raise ConfigError(
            f"formats: onnx needs the package {missing[0]}: pip install 'faceml[export]', or leave it out "
            "with --set formats=[exported_program]."
        )
