"""The dataclass decorator, compared with the decorator of the standard library."""

import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import (
    FrozenInstanceError,
    asdict,
    dataclass,
    dataclass as standard,
    field,
    fields,
    is_dataclass,
    replace,
)
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from attractor.base.dataclasses import changed, dataclass as late

BOTH = pytest.mark.parametrize("dataclass", [standard, late], ids=["standard", "late"])
Dataclass = Callable[..., Callable[[type[Any]], Any]]


def point(dataclass: Dataclass, **options: bool) -> Any:
    class Point:
        x: int
        y: int = 0
        names: list[str] = field(default_factory=list[str])
        note: str = field(default="n", compare=False)
        secret: str = field(default="", repr=False, kw_only=True)
        role: str = field(default="none", init=False)
        seen: list[str] = field(default_factory=list[str], init=False)
        count: ClassVar[int] = 3

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("x is below 0")

    return dataclass(**options)(Point)


def small(dataclass: Dataclass, *, body: dict[str, Any] | None = None, **options: bool) -> Any:
    members = {"__annotations__": {"x": int}, "__module__": __name__, **(body or {})}
    return dataclass(**options)(type("Point", (), members))


@BOTH
@pytest.mark.parametrize(
    "options",
    [{}, {"frozen": True}, {"frozen": True, "slots": True}, {"slots": True}, {"kw_only": True}],
    ids=str,
)
def test_init_takes_arguments_and_defaults(dataclass: Dataclass, options: dict[str, bool]) -> None:
    Point = point(dataclass, **options)
    value = Point(x=1, y=2, secret="s")
    assert (value.x, value.y, value.names, value.note, value.role) == (1, 2, [], "n", "none")
    assert value.seen == []
    assert value.names is not Point(x=1).names
    assert "Point(x=1, y=2, names=[], note='n', role='none', seen=[])" in repr(value)
    assert [one.name for one in fields(Point)][:2] == ["x", "y"]
    assert is_dataclass(Point)
    names: object = getattr(Point, "__match_args__", None)
    assert names == (() if "kw_only" in options else ("x", "y", "names", "note"))


@BOTH
def test_init_refuses_invalid_arguments_and_runs_post_init(dataclass: Dataclass) -> None:
    Point = point(dataclass)
    calls: list[tuple[tuple[object, ...], dict[str, object], str]] = [
        ((), {}, "missing 1 required positional argument: 'x'"),
        ((1, 2, [], "n", "s"), {}, "takes from 2 to 5 positional arguments"),
        ((1,), {"x": 1}, "multiple values for argument 'x'"),
        ((1,), {"role": ""}, "unexpected keyword argument 'role'"),
    ]
    for arguments, keywords, message in calls:
        with pytest.raises(TypeError, match=message):
            Point(*arguments, **keywords)
    with pytest.raises(ValueError, match="below 0"):
        Point(-1)
    assert str(inspect.signature(small(dataclass, body={"x": 4}))) == "(x: int = 4) -> None"


@BOTH
@pytest.mark.parametrize("slots", [False, True])
def test_frozen_value_cannot_be_changed(dataclass: Dataclass, slots: bool) -> None:
    value = point(dataclass, frozen=True, slots=slots)(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        value.x = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del value.x
    assert (replace(value, x=2).x, value.x) == (2, 1)


@BOTH
def test_mutable_value_is_not_hashable(dataclass: Dataclass) -> None:
    value = point(dataclass)(1)
    value.x = 2
    assert value.x == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
    value.names = value
    assert "names=..." in repr(value)


SMALL = st.tuples(st.integers(0, 2), st.integers(0, 2), st.text(max_size=1))


@given(SMALL, SMALL)
def test_equality_agrees_with_the_standard_decorator(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    def is_equal(dataclass: Dataclass) -> bool:
        Point = point(dataclass, frozen=True)
        return Point(*one[:2], note=one[2]) == Point(*other[:2], note=other[2])

    assert is_equal(late) == is_equal(standard)


@BOTH
def test_only_values_of_one_class_are_equal(dataclass: Dataclass) -> None:
    Point = point(dataclass)
    Other = type("Other", (Point,), {})
    assert Point(1) == Point(1, note="another")
    assert Point(1) not in (Point(2), Other(1), 1)
    Key = small(dataclass, frozen=True)
    assert {Key(1): "one"}[Key(1)] == "one"
    Identity = small(dataclass, frozen=True, eq=False)
    assert len({Identity(1), Identity(1)}) == 2
    Empty = dataclass(frozen=True)(type("Empty", (), {}))
    assert (Empty(), hash(Empty()), repr(Empty())) == (Empty(), hash(Empty()), "Empty()")


def own_repr(self: object) -> str:
    return "own"


def own_eq(self: object, other: object) -> bool:
    return True


def own_hash(self: object) -> int:
    return 7


@BOTH
@pytest.mark.parametrize("frozen", [False, True])
def test_methods_of_the_class_are_kept(dataclass: Dataclass, frozen: bool) -> None:
    own: dict[str, Any] = {
        "__repr__": own_repr,
        "__eq__": own_eq,
        "__hash__": own_hash,
    }
    Point = small(dataclass, body=own, frozen=frozen)
    assert (repr(Point(1)), Point(1) == Point(2), hash(Point(1))) == ("own", True, 7)
    Compared = small(dataclass, body={**own, "__hash__": None}, frozen=True)
    assert hash(Compared(1)) == hash(Compared(1))

    def init(self: Any) -> None:
        self.x = 5

    assert small(dataclass, body={"__init__": init})().x == 5


@BOTH
def test_subclass_has_the_fields_of_its_base(dataclass: Dataclass) -> None:
    Point = point(dataclass, frozen=True)
    Named = dataclass(frozen=True)(type("Named", (Point,), {"__annotations__": {"z": int}, "z": 9}))
    assert Named(1, 2, z=3) == Named(1, 2, z=3)
    assert asdict(Named(1))["z"] == 9


def init_of(cls: type) -> object:
    return vars(cls)["__init__"]


def test_init_is_compiled_on_first_use_also_by_many_threads() -> None:
    many = 8
    for _ in range(20):
        Point, start = small(late, frozen=True), threading.Barrier(many)
        assert not inspect.isfunction(init_of(Point))

        def make(x: int, Point: Any = Point, start: threading.Barrier = start) -> int:
            start.wait()
            return Point(x).x

        with ThreadPoolExecutor(many) as threads:
            assert list(threads.map(make, range(many))) == list(range(many))
        assert inspect.isfunction(init_of(Point))


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)


def test_changed_returns_a_copy_like_replace() -> None:
    value = Point(1, 2, ("a",))
    assert changed(value, y=5) == replace(value, y=5)
    assert changed(value, x=3, names=()).names == ()
    assert changed(value) == value == Point(1, 2)
    with pytest.raises(FrozenInstanceError):
        changed(value, x=5).x = 6  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError, match="Point has no field z"):
        changed(value, z=3)
