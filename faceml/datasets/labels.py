"""The eight expressions and their order, as AffectNet numbers them."""

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
