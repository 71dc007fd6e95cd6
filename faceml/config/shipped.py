"""Configuration files of the package: one for each job, with all settings and comments."""

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "configs"
"""In a checkout a link to its folder `configs/`, which a wheel has a copy of."""
FOLDER = "configs"
"""Folder of edited copies, relative to the current one."""


def find_config(name: str) -> Path:
    """Return the configuration file of this name in `configs/` of the current folder, else in the package."""
    edited = Path(FOLDER, name)
    return edited if edited.is_file() else SHIPPED / name


def shipped_configs() -> list[Path]:
    """Return the configuration files of the package, sorted by name."""
    return sorted(SHIPPED.glob("*.yaml"))
