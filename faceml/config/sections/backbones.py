"""Names of backbones: faceml's own, those of timm, and those of other packages."""

from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import AfterValidator

from faceml.config.sections.entry_points import load_entry_point, names_with_others

BUILT_IN = ("resnet18", "resnet50", "iresnet18", "iresnet50", "iresnet100")
TIMM = "timm/"
"""Prefix of the names of timm's networks."""
ENTRY_POINTS = "faceml.backbones"
"""Group of entry points by which other packages add backbones."""


def backbone_names() -> list[str]:
    """Return the names of all backbones but timm's, those of installed packages after faceml's own."""
    return names_with_others(BUILT_IN, ENTRY_POINTS)


def load_architecture(name: str) -> Any:
    """Import the class of architectures that another package has registered for a name.

    Raises:
        ValueError: No installed package has this name; names those that there are.
    """
    found = load_entry_point(ENTRY_POINTS, name)
    if found is None:
        raise ValueError(_unknown())
    return found


def _is_known(name: str) -> str:
    """Return the name of a backbone; whether timm has a network is checked when it is built."""
    if name.startswith(TIMM):
        if find_spec("timm") is None:
            raise ValueError("needs timm: pip install 'faceml[timm]'")
    elif name not in BUILT_IN and name not in backbone_names():  # entry points are read from the disk
        raise ValueError(_unknown())
    return name


def _unknown() -> str:
    return f"must be {', '.join(backbone_names())}, or {TIMM}NAME for a network of timm"


BackboneName = Annotated[str, AfterValidator(_is_known)]
