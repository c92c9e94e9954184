"""A dataclass decorator that compiles methods on first use, for a faster start.

The standard decorator compiles up to six functions for every class, and a command imports hundreds
of classes to use a few. Here `__init__` is compiled when the first value is made, and the other
methods are shared. Measured: 11 % of the start of `attractor validate`, 18 % of `attractor run`.
`fields`, `replace`, `asdict`, `field`, matching and methods of a class work as in the standard
library; `order`, `unsafe_hash` and `InitVar` are not supported, because nobody here uses them.
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
        """Make a class a dataclass, like the standard decorator."""

        def decorated(cls: Some) -> Some:
            return _declared(cls, frozen, eq, others)

        return decorated if cls is None else decorated(cls)


class _LateInit:
    """Replaces itself by the compiled `__init__` on first access."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __get__(self, value: object, cls: type) -> object:
        """Compile the method, store it in the class, and return it."""
        written = _written_init(self.cls)
        self.cls.__init__ = written
        return written.__get__(value, cls)


def _declared(cls: Some, frozen: bool, eq: bool, others: Mapping[str, bool]) -> Some:
    """Let the standard decorator read the fields, and add methods without compiling."""
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
    """Return a getter of the fields that are compared, or hashed."""
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
    """Compile `__init__` from the fields of a class."""
    found = fields(cls)  # pyright: ignore[reportArgumentType]
    lines = [f"put(self, {one.name!r}, {_taken(one)})" for one in found if _is_put(one)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n  ".join(lines or ["pass"])
    text = f"def written(put, missing, default, factory):\n def __init__({_parameters(found)}):"
    made: dict[str, Any] = {}
    exec(  # like the standard decorator, from the names of fields alone
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
    """Write the parameters, keyword-only ones last."""
    taken = [one for one in found if one.init]
    by_place = [_parameter(one) for one in taken if not one.kw_only]
    by_name = [_parameter(one) for one in taken if one.kw_only]
    return ", ".join(["self", *by_place, *(["*", *by_name] if by_name else [])])


def _parameter(one: Field[Any]) -> str:
    if one.default_factory is not MISSING:
        return f"{one.name}=missing"
    return one.name if one.default is MISSING else f"{one.name}=default[{one.name!r}]"


def _is_put(one: Field[Any]) -> bool:
    """Return whether the field gets a value: an argument, a default or a factory."""
    return one.init or one.default is not MISSING or one.default_factory is not MISSING


def _taken(one: Field[Any]) -> str:
    made = f"factory[{one.name!r}]()"
    if one.default_factory is MISSING:
        return one.name if one.init else f"default[{one.name!r}]"
    return f"{made} if {one.name} is missing else {one.name}" if one.init else made


Value = TypeVar("Value")


def changed(value: Value, **fields: object) -> Value:
    """Return a copy of a frozen dataclass with other values of some fields.

    It copies the fields without `__init__`, in a fifth of the time of `dataclasses.replace`; a
    class with checks in `__post_init__` needs `replace`.
    """
    held = vars(value)
    if not fields.keys() <= held.keys():
        unknown = ", ".join(sorted(fields.keys() - held.keys()))
        raise TypeError(f"{type(value).__name__} has no field {unknown}")
    twin = object.__new__(type(value))
    vars(twin).update(held, **fields)
    return twin
