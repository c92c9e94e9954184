from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_fields, read_record, write_fields, write_record
from tests.tables import table


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Wheel:
    size: int
    colour: Colour | str = ""


@dataclass(frozen=True)
class Car:
    name: str
    wheels: Sequence[Wheel] = ()
    spare: Wheel | None = None
    photo: bytes | None = None
    built: datetime | None = None
    place: Path = Path()
    notes: str | JsonObject | Sequence[Json] = ""
    extra: Json = None
    price: float = 0.0
    kind: Literal["new", "old"] = "new"
    parts: Mapping[str, Wheel] = field(default_factory=dict[str, Wheel])


CARS = [
    Car("a"),
    Car("b", (Wheel(3, Colour.RED), Wheel(4, "blue")), Wheel(5), b"\xff\0", kind="old"),
    Car("c", built=datetime(2026, 1, 2, tzinfo=UTC), place=Path("/x/y"), price=1.5),
    Car("d", notes=["a", {"kind": "old", "size": 1}], extra={"name": [None, True, 1, 0.5]}),
    Car("e", notes={"name": "x"}, extra="text", parts={"left": Wheel(1)}),
]


@table("car", CARS)
def test_record_is_unchanged_after_a_round_trip(car: Car) -> None:
    assert read_record(Car, write_record(car)) == car


def test_defaults_are_left_out_of_a_record() -> None:
    assert write_record(CARS[0]) == {"name": "a"}
    assert write_record(Car("x", [Wheel(1, Colour.RED)], photo=b"a")) == {
        "name": "x",
        "wheels": [{"size": 1, "colour": "red"}],
        "photo": "YQ==",
    }


def test_a_fault_of_a_record_is_named_with_its_place() -> None:
    faults: list[tuple[dict[str, Any], str, str]] = [
        ({}, "missing field 'name' of Car", "known fields: name, wheels"),
        ({"nam": "a"}, "unknown field 'nam' of Car", "did you mean name?"),
        ({"name": 5}, "invalid Car.name: 5", "pass str"),
        ({"name": "a", "wheels": [5]}, r"invalid Car.wheels\[0\]: 5", "pass Wheel"),
        ({"name": "a", "spare": {"size": "x"}}, "invalid Wheel.size: 'x'", "pass int"),
        ({"name": "a", "kind": "x"}, "invalid Car.kind: 'x'", "new"),
        ({"name": "a", "photo": "!"}, "invalid Car.photo", ""),
        ({"name": "a", "built": "today"}, "invalid Car.built", ""),
    ]
    for record, message, hint in faults:
        with pytest.raises(UsageError, match=message) as caught:
            read_record(Car, record)
        assert hint in caught.value.hint


@dataclass(frozen=True)
class Garage:
    cars: Sequence[Car]
    is_open: bool = False
    rent: float | None = None


def test_all_fields_are_written_under_their_keys_and_read_back() -> None:
    garage = Garage([Car("a", [Wheel(1)])], rent=2.0)
    record = write_fields(garage, is_open="open")
    assert list(record) == ["cars", "open", "rent"]
    [car] = cast("list[dict[str, Json]]", record["cars"])
    assert [*car] == [one.name for one in fields(Car)]
    assert car["wheels"] == [{"size": 1, "colour": ""}]
    assert write_fields(garage, cars="") == {"is_open": False, "rent": 2.0}
    given = read_fields(Garage, {**record, "rent": 2, "unknown": 1}, is_open="open")
    assert write_fields(given, is_open="open") == record
    assert read_fields(Garage, {"cars": []}, "is_open", "rent") == Garage(())
    with pytest.raises(UsageError, match="missing field 'open'"):
        read_fields(Garage, {"cars": [], "rent": None}, is_open="open")
    with pytest.raises(UsageError, match="missing field 'cars'"):
        read_fields(Garage, {})
