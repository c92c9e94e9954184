"""Imports the module of a public name on first use of the name.

__getattr__ = lazy_exports.lazy_getattr(__name__, {"Client": "client", "retry": "retry_policy"})
"""

import importlib
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
