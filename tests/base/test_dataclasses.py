"""It is the standard decorator to whoever uses it, so each test asks both."""

import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from dataclasses import dataclass as standard
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.dataclasses import changed
from attractor.base.dataclasses import dataclass as late

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


@BOTH
@pytest.mark.parametrize(
    "options",
    [{}, {"frozen": True}, {"frozen": True, "slots": True}, {"slots": True}, {"kw_only": True}],
    ids=str,
)
def test_values_are_made_of_arguments_and_defaults(
    dataclass: Dataclass, options: dict[str, bool]
) -> None:
    Point = point(dataclass, **options)
    value = Point(x=1, y=2, secret="s")

    assert (value.x, value.y, value.names, value.note, value.role) == (1, 2, [], "n", "none")
    assert value.seen == []
    assert value.names is not Point(x=1).names
    assert "Point(x=1, y=2, names=[], note='n', role='none', seen=[])" in repr(value)
    assert [one.name for one in fields(Point)][:2] == ["x", "y"]
    assert is_dataclass(Point)


@BOTH
def test_arguments_that_do_not_fit_are_refused(dataclass: Dataclass) -> None:
    Point = point(dataclass)

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Point()
    with pytest.raises(TypeError, match="takes from 2 to 5 positional arguments"):
        Point(1, 2, [], "n", "s")
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        Point(1, x=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'role'"):
        Point(1, role="")


@BOTH
def test_a_value_checks_itself_when_it_is_made(dataclass: Dataclass) -> None:
    with pytest.raises(ValueError, match="below 0"):
        point(dataclass)(-1)


@BOTH
@pytest.mark.parametrize("slots", [False, True])
def test_a_frozen_value_stays_as_it_is(dataclass: Dataclass, slots: bool) -> None:
    value = point(dataclass, frozen=True, slots=slots)(1)

    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        value.x = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del value.x
    assert replace(value, x=2).x == 2
    assert value.x == 1


@BOTH
def test_one_that_is_not_frozen_can_be_changed_and_is_no_key(dataclass: Dataclass) -> None:
    value = point(dataclass)(1)
    value.x = 2

    assert value.x == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


SMALL = st.tuples(st.integers(0, 2), st.integers(0, 2), st.text(max_size=1))


@given(SMALL, SMALL)
def test_two_are_the_same_when_the_standard_says_so(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    def same(dataclass: Dataclass) -> bool:
        Point = point(dataclass, frozen=True)
        return Point(*one[:2], note=one[2]) == Point(*other[:2], note=other[2])

    assert same(late) == same(standard)


@BOTH
def test_only_values_of_one_class_are_the_same(dataclass: Dataclass) -> None:
    Point = point(dataclass)
    Other = type("Other", (Point,), {})

    assert Point(1) == Point(1, note="another")
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert Other(1).x == 1
    assert Point(1) != 1


def declared(dataclass: Dataclass, *, body: dict[str, Any], **options: bool) -> Any:
    members = {"__annotations__": {"x": int}, "__module__": __name__, **body}
    return dataclass(**options)(type("Point", (), members))


@BOTH
def test_keys_are_found_again(dataclass: Dataclass) -> None:
    Point = declared(dataclass, body={}, frozen=True)

    assert {Point(1): "one"}[Point(1)] == "one"
    assert Point(2) not in {Point(1)}


@BOTH
@pytest.mark.parametrize("frozen", [False, True])
def test_methods_of_its_own_stay(dataclass: Dataclass, frozen: bool) -> None:
    def equal(self: object, other: object) -> bool:
        return True

    def told(self: object) -> str:
        return "own"

    def number(self: object) -> int:
        return 7

    own = {"__repr__": told, "__eq__": equal, "__hash__": number}
    Point = declared(dataclass, body=own, frozen=frozen)

    assert (repr(Point(1)), Point(1) == Point(2), hash(Point(1))) == ("own", True, 7)


@BOTH
def test_who_compares_in_a_way_of_its_own_is_still_a_key(dataclass: Dataclass) -> None:
    def equal(self: object, other: object) -> bool:
        return True

    Point = declared(dataclass, body={"__eq__": equal, "__hash__": None}, frozen=True)

    assert hash(Point(1)) == hash(Point(1))


@BOTH
def test_identity_counts_where_values_are_not_compared(dataclass: Dataclass) -> None:
    Point = declared(dataclass, body={}, frozen=True, eq=False)
    one = Point(1)

    assert one == one
    assert one != Point(1)
    assert len({one, Point(1)}) == 2


@BOTH
def test_an_init_of_its_own_stays(dataclass: Dataclass) -> None:
    def own(self: Any) -> None:
        self.x = 5

    assert declared(dataclass, body={"__init__": own})().x == 5


@BOTH
def test_a_class_that_adds_fields_has_those_of_its_base_as_well(dataclass: Dataclass) -> None:
    Point = point(dataclass, frozen=True)
    Named = dataclass(frozen=True)(type("Named", (Point,), {"__annotations__": {"z": int}, "z": 9}))

    assert Named(1, 2, z=3) == Named(1, 2, z=3)
    assert asdict(Named(1))["z"] == 9


@BOTH
def test_a_class_without_fields_has_one_value(dataclass: Dataclass) -> None:
    Nothing = dataclass(frozen=True)(type("Nothing", (), {}))

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()) == "Nothing()"


@BOTH
def test_a_value_that_holds_itself_can_be_shown(dataclass: Dataclass) -> None:
    value = point(dataclass)(1)
    value.names = value

    assert "names=..." in repr(value)


@BOTH
def test_its_arguments_can_be_looked_up_before_a_value_is_made(dataclass: Dataclass) -> None:
    Point = declared(dataclass, body={"x": 4}, frozen=True)

    assert str(inspect.signature(Point)) == "(x: int = 4) -> None"


@BOTH
def test_values_are_matched_by_place(dataclass: Dataclass) -> None:
    Point = point(dataclass, frozen=True)

    assert Point.__match_args__[:2] == ("x", "y")


def _init(cls: type) -> object:
    return vars(cls)["__init__"]


def test_what_is_not_used_is_not_written() -> None:
    Point = declared(late, body={}, frozen=True)

    assert not inspect.isfunction(_init(Point))
    assert Point(1).x == 1
    assert inspect.isfunction(_init(Point))


def test_many_may_make_the_first_value_at_once() -> None:
    many = 8
    for _ in range(20):
        Point, start = declared(late, body={}, frozen=True), threading.Barrier(many)

        def make(x: int, Point: Any = Point, start: threading.Barrier = start) -> int:
            start.wait()
            return Point(x).x

        with ThreadPoolExecutor(many) as people:
            assert list(people.map(make, range(many))) == list(range(many))


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)


@given(st.integers(), st.integers(), st.integers())
def test_it_makes_what_replace_makes(x: int, y: int, other: int) -> None:
    point = Point(x, y, ("a",))

    assert changed(point, y=other) == replace(point, y=other)
    assert changed(point, x=other, names=()).names == ()
    assert changed(point) == point


def test_the_first_one_stays_as_it_was_and_the_other_is_frozen_too() -> None:
    point = Point(1, 2)
    other = changed(point, x=5)

    assert (point.x, other.x, other.y) == (1, 5, 2)
    with pytest.raises(FrozenInstanceError):
        other.x = 6  # pyright: ignore[reportAttributeAccessIssue]


def test_a_field_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="Point has no field z"):
        changed(Point(1), z=3)
