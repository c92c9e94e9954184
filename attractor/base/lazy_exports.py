"""Opens a door without what stands behind it: a name's module is imported when it is asked for.

__getattr__ = lazy_exports.lazy_getattr(__name__, {"Client": "client", "retry": "retrying"})
"""

import importlib
from collections.abc import Callable, Mapping


def lazy_getattr(
    door: str, homes: Mapping[str, str], *, below: str | None = None
) -> Callable[[str], object]:
    """Return the `__getattr__` of a module; each name's home is below it, or below another one."""

    def find(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {door!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{below or door}.{home}"), name)

    return find
