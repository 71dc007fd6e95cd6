"""Modules that other packages import without need, loaded when they are first used."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType


@contextmanager
def load_late(*names: str) -> Iterator[None]:
    """Load modules that are imported in the block only when one of their attributes is used.

    `importlib.util.LazyLoader` does not serve: in Python 3.11 an import statement loads the module.

    Args:
        *names: Modules, a package before its submodules. Those that are already loaded are left as they are.
    """
    with ExitStack() as stack:
        for name in names:
            if name not in sys.modules:
                sys.modules[name] = _LateModule(name)
                stack.callback(sys.modules.pop, name)
                package, _, child = name.rpartition(".")
                if package:
                    setattr(sys.modules[package], child, sys.modules[name])
        yield


class _LateModule(ModuleType):
    """Stand-in for a module, which it loads at the first use of an attribute."""

    def __getattr__(self, attribute: str) -> object:
        return getattr(import_module(self.__name__), attribute)
