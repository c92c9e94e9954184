"""Finds the handlers: a file of this folder, or an entry point of its name, is one node type."""

from typing import Protocol

from attractor.base.registry import Registry
from attractor.engine.interfaces import Handler, Parts


class BuiltHandler(Handler, Protocol):
    """A handler that is built from the parts every handler is built from."""

    def __init__(self, parts: Parts) -> None: ...


def handler_registry() -> Registry[type[BuiltHandler]]:
    """Return the handlers by node type; each becomes a handler when it is given its parts."""
    return Registry("attractor.handlers", type[BuiltHandler], noun="handler")
