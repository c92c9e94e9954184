"""A dataclass that is cheap to declare: what it needs is written when it is first needed.

The standard decorator compiles up to six functions for every class, used or not. A command imports
hundreds of classes and makes values of a few. Here `__init__` is compiled when the first value is
made, and the other methods are shared. All else is the standard library's: `fields`, `replace`,
`asdict`, `field` and matching work as ever, and so does a class that writes a method of its own.

A frozen value with other fields: what `dataclasses.replace` makes, in a fraction of the time.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as standard
from operator import attrgetter
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

Some = TypeVar("Some", bound=type)
Parts = Callable[[object], object]

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        cls: Some | None = None, /, *, frozen: bool = False, eq: bool = True, **others: bool
    ) -> Some | Callable[[Some], Some]:
        """Make a class a dataclass, as the standard decorator does."""

        def decorated(cls: Some) -> Some:
            return _declared(cls, frozen, eq, others)

        return decorated if cls is None else decorated(cls)


class _LateInit:
    """Stands for `__init__` until somebody asks for it, who gets the real one."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __get__(self, value: object, cls: type) -> object:
        """Write the method, leave it in the class, and return it."""
        written = _written_init(self.cls)
        self.cls.__init__ = written
        return written.__get__(value, cls)


def _declared(cls: Some, frozen: bool, eq: bool, others: Mapping[str, bool]) -> Some:
    """Let the standard decorator read the fields, and add methods that nothing compiles."""
    own = set(vars(cls))
    hashed = "__hash__" in own and (vars(cls)["__hash__"] is not None or "__eq__" not in own)
    declared = cast("Any", standard)(cls, init=False, repr=False, eq=False, **others)
    found = fields(declared)
    methods: dict[str, object] = {"__init__": _LateInit(declared)}
    methods["__repr__"] = _representation([one.name for one in found if one.repr])
    if eq:
        methods["__eq__"] = _equality(_parts(found))
        if not hashed:
            own.discard("__hash__")
            methods["__hash__"] = _hashing(_parts(found, hashed=True)) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    for name, method in methods.items():
        if name not in own:
            setattr(declared, name, method)
    return declared


def _parts(found: Iterable[Field[Any]], *, hashed: bool = False) -> Parts:
    """Return what reads those fields of a value that are compared, or make its hash."""
    kept = [one for one in found if one.compare]
    if hashed:
        kept = [one for one in found if (one.compare if one.hash is None else one.hash)]
    return attrgetter(*(one.name for one in kept)) if kept else lambda value: ()


def _equality(parts: Parts) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return parts(self) == parts(other)

    return __eq__


def _hashing(parts: Parts) -> Callable[[object], int]:
    def __hash__(self: object) -> int:
        return hash(parts(self))

    return __hash__


def _representation(names: list[str]) -> Callable[[object], str]:
    @recursive_repr()
    def __repr__(self: object) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({told})"

    return __repr__


def _refuse_to_set(self: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _written_init(cls: type) -> FunctionType:
    """Compile what takes the fields of a class as arguments and puts them in a new value."""
    found = fields(cls)  # pyright: ignore[reportArgumentType]
    lines = [f"put(self, {one.name!r}, {_taken(one)})" for one in found if _is_put(one)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n  ".join(lines or ["pass"])
    text = f"def written(put, missing, default, factory):\n def __init__({_parameters(found)}):"
    made: dict[str, Any] = {}
    exec(  # as the standard decorator does, of the names of the fields alone
        f"{text}\n  {body}\n return __init__", vars(sys.modules[cls.__module__]), made
    )
    init = made["written"](
        object.__setattr__,
        MISSING,
        {one.name: one.default for one in found},
        {one.name: one.default_factory for one in found},
    )
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {one.name: one.type for one in found if one.init} | {"return": None}
    return init


def _parameters(found: Iterable[Field[Any]]) -> str:
    """Write the arguments, those that are only taken by name behind the others."""
    taken = [one for one in found if one.init]
    by_place = [_parameter(one) for one in taken if not one.kw_only]
    by_name = [_parameter(one) for one in taken if one.kw_only]
    return ", ".join(["self", *by_place, *(["*", *by_name] if by_name else [])])


def _parameter(one: Field[Any]) -> str:
    if one.default_factory is not MISSING:
        return f"{one.name}=missing"
    return one.name if one.default is MISSING else f"{one.name}=default[{one.name!r}]"


def _is_put(one: Field[Any]) -> bool:
    """What nobody gives and nothing makes is left out."""
    return one.init or one.default is not MISSING or one.default_factory is not MISSING


def _taken(one: Field[Any]) -> str:
    made = f"factory[{one.name!r}]()"
    if one.default_factory is MISSING:
        return one.name if one.init else f"default[{one.name!r}]"
    return f"{made} if {one.name} is missing else {one.name}" if one.init else made


Value = TypeVar("Value")


def changed(value: Value, **fields: object) -> Value:
    """Return a copy of a frozen dataclass in which some fields are others.

    It is not made anew by its class: one that checks itself when it is made needs `replace`.
    """
    held = vars(value)
    if not fields.keys() <= held.keys():
        unknown = ", ".join(sorted(fields.keys() - held.keys()))
        raise TypeError(f"{type(value).__name__} has no field {unknown}")
    twin = object.__new__(type(value))
    vars(twin).update(held, **fields)
    return twin
