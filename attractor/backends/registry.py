"""Finds the backends: a file of this folder, or an entry point of its name, is one."""

from typing import Protocol

from attractor.backends.parts import BackendParts
from attractor.base.registry import Registry
from attractor.engine.interfaces import Backend


class BuiltBackend(Backend, Protocol):
    """A backend that is built from the parts every backend is built from."""

    def __init__(self, parts: BackendParts) -> None: ...


def backend_registry() -> Registry[type[BuiltBackend]]:
    """Return the backends by name; each works once it is given its parts."""
    return Registry("attractor.backends", type[BuiltBackend], noun="backend")
