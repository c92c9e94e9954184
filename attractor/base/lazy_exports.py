"""Imports the module of a public name on first use of the name.

_HOMES = {"Client": "client", "retry": "retry_policy"}
__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
"""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy_getattr(
    door: str, homes: Mapping[str, str], *, below: str | None = None
) -> Callable[[str], object]:
    """Return `__getattr__` for a package; `homes` maps names to modules of the package, or of
    `below`.
    """

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {door!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{below or door}.{home}"), name)

    return find


def lazy_dir(door: str, homes: Mapping[str, str]) -> Callable[[], list[str]]:
    """Return `__dir__` for a package: its own names, and the names that are not imported yet."""
    return lambda: sorted({*vars(sys.modules[door]), *homes})
