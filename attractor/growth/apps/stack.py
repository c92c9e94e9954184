"""A stack: how the code of an app is generated from a specification, and how it is run."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.growth.specification.graph import SpecGraph


class FilePart(StrEnum):
    """Who writes a file of an app: the skeleton is generated, bodies are written by agents."""

    SKELETON = "skeleton"
    BODY = "body"


@dataclass(frozen=True)
class GeneratedFile:
    """A file of an app, with the nodes of the specification that it depends on."""

    text: str
    nodes: tuple[str, ...]
    part: FilePart


@dataclass(frozen=True)
class Stack:
    """A way to build apps."""

    generate: Callable[[SpecGraph], Mapping[str, GeneratedFile]]
    """Returns the files by path: pure, and the same bytes for the same specification."""

    serve: tuple[str, ...]
    """The arguments of Python that serve the app on a free port."""

    packages: tuple[str, ...] = ()
    """The packages of this Python that the app imports."""


@cache
def stacks() -> Registry[Stack]:
    """Return all stacks by name."""
    return Registry("attractor.growth.apps.stacks", Stack, noun="stack")
