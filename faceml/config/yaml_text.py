"""YAML as text: numbers are what YAML 1.2 says they are.

PyYAML keeps to YAML 1.1, to which `3e-4` is a word, and only `3.0e-4` a number.
"""

import re
from typing import Any

import yaml

FLOAT = "tag:yaml.org,2002:float"
# Of YAML 1.2.2, section 10.3.2, those with an exponent; others are floats to PyYAML already.
NUMBER_WITH_EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
FIRST_LETTERS = list("-+.0123456789")


class _Loader(yaml.SafeLoader):
    """Read plain values, nothing else."""


class _Dumper(yaml.SafeDumper):
    """Quote what the loader would take for a number."""


_Loader.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)
_Dumper.add_implicit_resolver(FLOAT, NUMBER_WITH_EXPONENT, FIRST_LETTERS)


def load_yaml(text: str | bytes) -> Any:
    """Return the plain values of a YAML document.

    Args:
        text: Bytes tell themselves whether they are UTF-8 or UTF-16.

    Raises:
        YAMLError: It is none.
    """
    return yaml.load(text, _Loader)


def dump_yaml(values: Any) -> str:
    """Return plain values as YAML that `load_yaml` reads back, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
