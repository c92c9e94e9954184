"""Maps the names of parts to the parts: each file of a folder is one part.

`Registry("attractor.cli.commands", click.Command, noun="command")` lists the folder without
importing a file, imports a file on first use, takes its object `part` and checks the type. Other
distributions add parts by entry points with the name of the folder. The name of a part is the name
of its file, with a dot for a double underscore. With `is_hyphenated`, it has a hyphen for an
underscore.

Every start lists folders, so this module avoids pathlib, dataclasses and regular expressions:
importing them costs more than the listing.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from types import FunctionType
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_args, get_origin

from attractor.base.entry_points import EntryPoint, read_entry_points
from attractor.base.errors import InvalidPart, UnknownName


def find_shortcoming(part: object, kind: Any) -> str:
    """Return the reason why an object is not of a kind, or an empty text.

    A kind is a class, a protocol or `type[...]`.
    """
    if get_origin(kind) is type:
        return _class_shortcoming(part, get_args(kind)[0])
    if _is_protocol(kind):
        return _missing_members(part, (*_methods(kind), *_attributes(kind)), kind)
    return "" if isinstance(part, kind) else f"{_described(part)} is not a {kind.__name__}"


def _class_shortcoming(part: object, kind: Any) -> str:
    if not isinstance(part, type):
        return f"{_described(part)} is not a class"
    if _is_protocol(kind):
        # Plain attributes exist on instances only.
        return _missing_members(part, _methods(kind), kind)
    return "" if issubclass(part, kind) else f"class {part.__name__} is not a {kind.__name__}"


def _is_protocol(kind: Any) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _missing_members(part: object, names: tuple[str, ...], kind: Any) -> str:
    missing = [name for name in names if not hasattr(part, name)]
    missing += [name for name in _methods(kind) if not callable(getattr(part, name, callable))]
    if not missing:
        return ""
    return f"{_described(part)} has no {', '.join(missing)}, which a {kind.__name__} needs"


@cache
def _methods(kind: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in _protocols(kind)
        for name, value in vars(base).items()
        if isinstance(value, FunctionType) and name not in _ADDED_BY_TYPING
    )


@cache
def _attributes(kind: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in _protocols(kind)
        for name in (
            *vars(base).get("__annotations__", {}),
            *(name for name, value in vars(base).items() if isinstance(value, property)),
        )
    )


def _protocols(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if _is_protocol(base) and base.__module__ != "typing"]


def _described(part: object) -> str:
    if isinstance(part, type | FunctionType):
        return part.__name__
    return f"{type(part).__name__} object"


_ADDED_BY_TYPING = frozenset({"__init__", "__subclasshook__"})

T = TypeVar("T")

_PART_LINES = ("\npart = ", "\npart: ")


class PartSource(NamedTuple):
    """The place of a part, known before the module of the part is imported."""

    module: str
    summary: str
    attribute: str = "part"
    distribution: str = ""
    fault: str = ""

    @property
    def remedy(self) -> str:
        """The fix for an unusable part."""
        if self.distribution:
            return f"update or uninstall the distribution {self.distribution!r}, which offers it"
        return f"fix the module {self.module}"


class Registry(Mapping[str, T], Generic[T]):
    """The parts of one kind by name; each part is imported on first use."""

    def __init__(
        self, package: str, kind: type[T], *, noun: str, is_hyphenated: bool = False
    ) -> None:
        self.package = package
        self.kind = kind
        self.noun = noun
        self._is_hyphenated = is_hyphenated
        self._parts: dict[str, T] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __getitem__(self, name: str) -> T:
        if name in self._parts:
            return self._parts[name]
        source = self._source(name)
        try:
            part: object = getattr(importlib.import_module(source.module), source.attribute)
        except Exception as error:
            if isinstance(error.__cause__, KeyboardInterrupt):
                # Python 3.11 wraps every exception of a class body's __set_name__.
                raise error.__cause__ from None
            cause = f"{type(error).__name__}: {error}"
            refusal = self._refuse(name, f"cannot be loaded: {cause}")
            if isinstance(error, ImportError) and not source.distribution:
                # A module of Attractor, or of a distribution that it needs, was removed.
                refusal.hint = f"{install_again()}; for a module of your own, fix its import"
            raise refusal from error
        shortcoming = find_shortcoming(part, self.kind)
        if shortcoming:
            raise self._refuse(name, f"cannot be used: {shortcoming}")
        self._parts[name] = cast(T, part)
        return self._parts[name]

    def summary(self, name: str) -> str:
        """Return the first sentence of a part's file, read without importing the file."""
        source = self._sources[name]
        return source.fault or source.summary

    @cached_property
    def _sources(self) -> dict[str, PartSource]:
        sources: dict[str, PartSource] = {}
        for folder in importlib.import_module(self.package).__path__:
            listed = _sources_in(folder, self.package, os.stat(folder).st_mtime_ns)
            sources |= {self._name(name): source for name, source in listed.items()}
        path = tuple((folder, _changed(folder)) for folder in sys.path)
        for point in _entry_points(path).get(self.package, ()):
            sources[point.name] = _from_entry_point(point, sources.get(point.name))
        return dict(sorted(sources.items()))

    def _name(self, name: str) -> str:
        return name.replace("_", "-") if self._is_hyphenated else name

    def _source(self, name: str) -> PartSource:
        source = self._sources.get(name)
        if source is None:
            raise UnknownName(self.noun, name, self._sources)
        if source.fault:
            raise self._refuse(name, source.fault)
        return source

    def _refuse(self, name: str, why: str) -> InvalidPart:
        return InvalidPart(f"{self.noun} {name!r} {why}", hint=self._sources[name].remedy)


def install_again() -> str:
    """Return the remedy for a missing module."""
    is_clone = os.path.exists(f"{os.path.dirname(__file__)}/../../Makefile")
    return f"install Attractor again{': remove .venv, and type make test' if is_clone else ''}"


def part_name(stem: str) -> str:
    """Return the name of the part in a file."""
    return stem.replace("__", ".")


@lru_cache(maxsize=64)
def _sources_in(folder: str, package: str, _changed: int) -> Mapping[str, PartSource]:
    """List a folder; within a process, list it again only after a change."""
    sources: dict[str, PartSource] = {}
    for file in sorted(os.listdir(folder)):
        stem = file.removesuffix(".py")
        # Editors may leave files in the folder that are not modules.
        is_module = stem != file and stem.isidentifier()
        text = _read(folder, file) if is_module else ""
        if any(line in text for line in _PART_LINES):
            documented = text.partition('"""')[2].strip()
            first_sentence = documented.partition("\n")[0].removesuffix('"""').rstrip(".")
            sources[part_name(stem)] = PartSource(f"{package}.{stem}", first_sentence)
    return sources


def _read(folder: str, file: str) -> str:
    path = os.path.join(folder, file)
    if not os.path.isfile(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as opened:
        return "\n" + opened.read()


@lru_cache(maxsize=8)
def _entry_points(path: Sequence[tuple[str, int]]) -> Mapping[str, Sequence[EntryPoint]]:
    """Read the entry points in folders; within a process, read them again only after a change."""
    return read_entry_points([folder for folder, _ in path])


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def _from_entry_point(point: EntryPoint, existing: PartSource | None) -> PartSource:
    module, _, attribute = point.value.partition(":")
    fault = ""
    if existing:
        # No part is preferred, because the intended one is unknown.
        rivals = f"{existing.distribution or 'attractor'} and {point.distribution}"
        fault = f"is a duplicate, offered by {rivals}"
    summary = f"From the distribution {point.distribution}"
    return PartSource(module, summary, attribute or "part", point.distribution, fault)


def count_parameters(function: Callable[..., object]) -> int:
    """Return the number of positional parameters of a function."""
    in_order = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return sum(one.kind in in_order and one.default is one.empty for one in parameters)
