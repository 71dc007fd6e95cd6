"""The eight expressions and their order, as AffectNet numbers them."""

from collections.abc import Sequence

from faceml.config import ConfigError

EXPRESSIONS: tuple[str, ...] = (
    "neutral",
    "happy",
    "sad",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)


def refuse_other_order(labels: Sequence[str]) -> None:
    """Refuse a numbering of the expressions other than AffectNet's: every label would mean something else.

    Args:
        labels: The expressions of the folders `0`, `1`, …

    Raises:
        ConfigError: Names the first that differs, and says if the order is the alphabet's.
    """
    if tuple(labels) == EXPRESSIONS:
        return
    if sorted(labels) != sorted(EXPRESSIONS):
        raise ConfigError(f"data.labels: {', '.join(labels)}: must be the eight of {', '.join(EXPRESSIONS)}.")
    first = next(label for label, name in enumerate(EXPRESSIONS) if labels[label] != name)
    alphabet = " (this is alphabetical order, as torchvision's ImageFolder numbers)"
    raise ConfigError(
        f"data.labels: folder {first} is '{labels[first]}' where AffectNet has '{EXPRESSIONS[first]}'"
        f"{alphabet if list(labels) == sorted(EXPRESSIONS) else ''}. Name the folders by their expressions "
        "instead of numbers, and extract again."
    )


def expression_label(folder: str) -> int | None:
    """Return the label that a folder's name stands for: its number, or the expression's name.

    Args:
        folder: First component of an image's path, such as `3` or `surprise`.

    Returns:
        A label from 0 to 7, or None if the folder names no expression.
    """
    names = {str(label): label for label in range(len(EXPRESSIONS))}
    names |= {name: label for label, name in enumerate(EXPRESSIONS)}
    return names.get(folder.lower())
