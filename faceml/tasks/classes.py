"""Classes of a classification task: their names in the order of the logits, aliases, and those left out."""

import difflib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import yaml

from faceml.config import ConfigError, load_yaml
from faceml.errors import flatten_message, translate_errors
from faceml.page import first_names
from faceml.storage import StorageFolder, split_place
from faceml.tasks.spellings import distinct_texts, folded, names_by_spelling, other_spellings, text_of

logger = logging.getLogger(__name__)

AFFECTNET8 = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
"""The expressions of AffectNet, in the order of its folders 0 to 7."""
UNKNOWN, LEFT_OUT = -1, -2
"""Codes of values that are null, and of values of classes that are left out."""

CLASS_FILES = (".txt", ".json", ".yaml", ".yml")
MOST_NAMED = 20
"""Number of classes that an error names."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Classes:
    """Classes of a task.

    Names, aliases and values are compared without case and without blanks around them.

    Attributes:
        names: Names in the order of the logits, without the classes that are left out.
        numbered: Names in the order that numbers, such as those of folders, refer to, with the classes that
            are left out; empty if numbers refer to nothing.
        aliases: Name of a class by each other spelling of it.
        left_out: Classes that are left out: names, and values such as `8` that have no name.
    """

    names: tuple[str, ...]
    numbered: tuple[str, ...]
    aliases: Mapping[str, str]
    left_out: frozenset[str]

    def encode(
        self, values: pa.ChunkedArray | pa.Array, where: str, setting: str = "tasks.NAME"
    ) -> npt.NDArray[np.int64]:
        """Return the class of each value.

        Args:
            values: N names or numbers of classes: text, numbers or booleans.
            where: Column and table of the values, for errors.
            setting: Key of the task, for errors.

        Returns:
            int64 of shape (N,): positions in `names`, `UNKNOWN` for null, `LEFT_OUT` for a class that is left
            out.

        Raises:
            ConfigError: A value is no class.
        """
        positions, texts = distinct_texts(values, where)
        code_of_name = dict.fromkeys(self.left_out, LEFT_OUT) | {n: code for code, n in enumerate(self.names)}
        names = names_by_spelling([*self.numbered, *code_of_name], self.numbered, self.aliases)
        found = [names.get(folded(text)) for text in texts]
        if None in found:
            rows = np.bincount(positions[positions >= 0], minlength=len(texts)).tolist()
            counts = zip(texts, found, rows, strict=True)
            raise self._unknown({text: row for text, name, row in counts if name is None}, where, setting)
        known = [code_of_name[name] for name in found if name is not None]
        codes = np.array([*known, UNKNOWN], dtype=np.int64)
        encoded: npt.NDArray[np.int64] = codes[positions]  # position -1 is that of null, and of `UNKNOWN`
        return encoded

    def refuse_other_order(self, folder_names: Sequence[str], setting: str = "tasks.NAME") -> None:
        """Refuse names of the folders 0, 1, … in another order than that of the classes.

        The numbers would otherwise stand for other classes, which no training notices.

        Args:
            folder_names: Names of the folders 0, 1, …, the setting `data.labels`.
            setting: Key of the task, for errors.

        Raises:
            ConfigError: The order differs; names the first difference, and alphabetical order where it is
                that.
        """
        names = names_by_spelling([*self.numbered, *self.left_out], self.numbered, self.aliases)
        if "0" not in names or names["0"] == "0":
            return  # numbers refer to nothing, or are the names
        for number, folder_name in enumerate(folder_names):
            expected = names.get(str(number))
            if expected == str(number) or (expected and expected == names.get(folded(folder_name))):
                continue  # a number that is left out has no name
            alphabet = " (this is alphabetical order, as torchvision's ImageFolder numbers)"
            raise ConfigError(
                f"data.labels: folder {number} is '{folder_name}' where {setting}.classes has "
                + (f"'{expected}'" if expected else "no class")
                + (alphabet if list(folder_names) == sorted(folder_names) else "")
                + f". List {setting}.classes in the order of the folders, or name the folders by their "
                "classes instead of numbers and extract again."
            )

    def as_plain(self) -> dict[str, Any]:
        """Return plain values of which `from_plain` makes equal classes, for models and exports."""
        return {
            "names": list(self.names),
            "numbered": list(self.numbered),
            "aliases": dict(self.aliases),
            "left_out": sorted(self.left_out),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the classes of which `as_plain` made plain values."""
        return cls(
            tuple(plain["names"]),
            tuple(plain["numbered"]),
            dict(plain["aliases"]),
            frozenset(plain["left_out"]),
        )

    def _unknown(self, counts: Mapping[str, int], where: str, setting: str) -> ConfigError:
        ordered = sorted(counts, key=counts.__getitem__, reverse=True)
        named = first_names([f"'{text}' ({counts[text]:,} rows)" for text in ordered], 3)
        return ConfigError(
            f"{where}: {named}: not among the classes {first_names(self.names, MOST_NAMED)}. Add the value "
            f"to {setting}.classes, name its class in {setting}.aliases, or drop its rows with "
            f"{setting}.leave_out."
        )


def build_classes(
    spec: str | Path | Sequence[Any],
    aliases: Mapping[str, str],
    leave_out: Sequence[str],
    values: pa.ChunkedArray | pa.Array | None,
    setting: str,
) -> Classes:
    """Build the classes of a task from its settings.

    Spellings of expressions, such as `happiness` for `happy`, are aliases where exactly one of them is the
    name of a class.

    Args:
        spec: List of names; `affectnet8`; `found`, the distinct values, sorted as numbers if all are numbers
            and else by the alphabet; or a file of names: text with one name on each line, or a list in JSON
            or YAML.
        aliases: Name of a class by each other spelling.
        leave_out: Classes whose rows are dropped: names, aliases, values or numbers.
        values: Values of the training split; None accepts anything to leave out.
        setting: Key of the task, such as `tasks.expression`.

    Raises:
        ConfigError: There are fewer than two classes, a name is listed twice, or an alias or a class to leave
            out does not exist.
    """
    leave_out = [text_of(item) for item in leave_out]
    found = leave_out if values is None else distinct_texts(values, f"{setting}.target")[1]
    user = {folded(alias): name.strip() for alias, name in aliases.items()}
    if spec == "found":
        named = sorted(user.get(folded(text), text) for text in found if text)
        names = {folded(name): name for name in named}
        is_numeric = all(NUMBER.fullmatch(name) for name in names.values())
        listed = tuple(sorted(names.values(), key=float if is_numeric else str.casefold))
    else:
        listed = _listed_names(spec, f"{setting}.classes")
    numbered = () if spec == "found" else listed
    all_aliases = other_spellings(listed)
    names = names_by_spelling(listed, numbered, all_aliases)
    for alias, name in user.items():
        if alias in map(folded, listed):
            raise ConfigError(f"{setting}.aliases: '{alias}' is itself a class. Remove it there or here.")
        all_aliases[alias] = _resolve(name, names, f"{setting}.aliases: '{alias}: {name}'")
    names = names_by_spelling(listed, numbered, all_aliases)
    others = {folded(text): text for text in found} | {text: text for text in leave_out if text.isdecimal()}
    left_out = frozenset(_to_leave_out(text, others | names, f"{setting}.leave_out") for text in leave_out)
    kept = tuple(name for name in listed if name not in left_out)
    if len(kept) < 2:
        raise ConfigError(
            f"{setting}.classes: {len(kept)} class{'' if len(kept) == 1 else 'es'} ({', '.join(kept)}): a "
            "classification needs two or more."
        )
    return Classes(kept, numbered, all_aliases, left_out)


def _listed_names(spec: str | Path | Sequence[Any], key: str) -> tuple[str, ...]:
    """Return the names of a list, a file or a preset, in their order."""
    if spec == "affectnet8":
        return AFFECTNET8
    if isinstance(spec, str | Path):
        if not str(spec).partition("?")[0].endswith(CLASS_FILES):
            raise ConfigError(
                f"{key}: '{spec}': must be affectnet8, found, a list of names, or a file that ends in "
                f"{', '.join(CLASS_FILES)}."
            )
        key, spec = f"{key}: {spec}", _read_names(str(spec), key)
    for item in spec:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise ConfigError(f"{key}: {item!r}: must be a list of names. Put names such as 'yes' in quotes.")
    names = {folded(text_of(item)): text_of(item) for item in reversed(spec)}
    if "" in names:
        raise ConfigError(f"{key}: has an empty name.")
    if len(names) < len(spec):
        counts = Counter(folded(text_of(item)) for item in spec)
        raise ConfigError(f"{key}: '{names[counts.most_common(1)[0][0]]}' is listed twice.")
    return tuple(reversed(names.values()))


def _read_names(place: str, key: str) -> list[Any]:
    """Return the names in a file: one on each line of text, or a list in JSON or YAML."""
    folder, name = split_place(place)
    content = StorageFolder(folder).read(name, follow_links=True)
    if not isinstance(content, bytes):
        raise ConfigError(f"{key}: {place}: no such file.")
    with translate_errors(
        (yaml.YAMLError, UnicodeDecodeError),
        lambda error: ConfigError(f"{key}: {place}: cannot be read ({flatten_message(error)})."),
    ):
        text = content.decode("utf-8-sig")
        names = (
            [line for line in text.splitlines() if line.strip()] if name.endswith(".txt") else load_yaml(text)
        )
    if not isinstance(names, list):
        raise ConfigError(f"{key}: {place}: must be a list of names.")
    return names


def _to_leave_out(text: str, names: Mapping[str, str], setting: str) -> str:
    """Return the class or value to leave out; one of the validation split alone is as it is spelled."""
    if folded(text) in names or difflib.get_close_matches(folded(text), names, n=1):
        return _resolve(text, names, f"{setting}: '{text}'")
    logger.warning("%s: '%s' is neither a class nor in the training split.", setting, text)
    return text


def _resolve(text: str, names: Mapping[str, str], subject: str) -> str:
    name = names.get(folded(text))
    if name is None:
        close = difflib.get_close_matches(folded(text), names, n=1)
        hint = f" Did you mean '{names[close[0]]}'?" if close else ""
        known = first_names(list(dict.fromkeys(names.values())), MOST_NAMED)
        raise ConfigError(f"{subject}: no class is called '{text}'.{hint} There are {known}.")
    return name
