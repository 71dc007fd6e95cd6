"""Labels of the eight expressions, in AffectNet's order."""

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
    """Refuse folder numbers in another order than AffectNet's, which would permute all labels.

    Args:
        labels: The expressions of the folders `0`, `1`, …

    Raises:
        ConfigError: The order differs; names the first difference, and alphabetical order where it is that.
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
    """Return the label of a folder named by a label or an expression.

    Args:
        folder: First component of an image's path, such as `3` or `surprise`.

    Returns:
        A label from 0 to 7, or None if the name is no expression.
    """
    names = {str(label): label for label in range(len(EXPRESSIONS))}
    names |= {name: label for label, name in enumerate(EXPRESSIONS)}
    return names.get(folder.lower())
