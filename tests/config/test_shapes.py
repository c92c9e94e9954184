from pathlib import Path
from typing import Annotated, Literal, Never

import pytest
from pydantic import BaseModel, Field

from attractor.base.toml import KeyPath
from attractor.config.shapes import child, default_values, is_table, keys_at, leaves, slots


class Hook(BaseModel):
    command: str
    retries: int = 0


class Inner(BaseModel):
    deep: int = 1


class Outer(BaseModel):
    inner: Inner = Inner(deep=2)
    names: dict[str, str] = {"a": "b"}
    hooks: list[Hook] = []
    optional: Hook | None = None
    profiles: dict[str, Hook] = {}
    must: int
    made: tuple[str, ...] = Field(default_factory=lambda: ("x",))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Inner, True),
        (dict[str, int], True),
        (Annotated[dict[str, int], Field(min_length=1)], True),
        (Inner | None, False),
        (list[Inner], False),
        (Literal["a"], False),
        (Path, False),
    ],
)
def test_models_and_mappings_are_tables_and_all_else_is_a_leaf(shape: object, expected: bool):
    assert is_table(shape) is expected


def test_leaves_are_found_at_any_depth_in_the_order_of_the_value():
    value = {"names": {"x": "1"}, "inner": {"deep": 5}, "hooks": [{"command": "a"}]}
    found = [(leaf.path, leaf.value) for leaf in leaves(Outer, value)]
    assert found == [
        (("names", "x"), "1"),
        (("inner", "deep"), 5),
        (("hooks",), [{"command": "a"}]),
    ]


def test_models_within_a_value_are_gone_into_as_tables_are():
    found = [leaf.path for leaf in leaves(Outer, Outer(must=1, profiles={"p": Hook(command="c")}))]
    assert (("profiles", "p", "command")) in found
    assert found[0] == ("inner", "deep")


def test_an_unknown_key_is_a_leaf_that_fits_nothing():
    [leaf] = leaves(Outer, {"nothing": {"like": "it"}})
    assert (leaf.path, leaf.shape) == (("nothing",), Never)


@pytest.mark.parametrize("key", ["inner", "names"])
@pytest.mark.parametrize("value", [{}, "text", 3])
def test_an_empty_table_and_what_should_be_one_are_leaves(key: str, value: object):
    [leaf] = leaves(Outer, {key: value})
    assert (leaf.path, leaf.value) == ((key,), value)


def test_nothing_has_no_leaves():
    assert list(leaves(Outer, {})) == []


def test_slots_are_every_leaf_a_model_has_in_its_order():
    assert [slot.path for slot in slots(Outer)] == [
        ("inner", "deep"),
        ("names", "NAME"),
        ("hooks",),
        ("optional",),
        ("profiles", "NAME", "command"),
        ("profiles", "NAME", "retries"),
        ("must",),
        ("made",),
    ]


def test_defaults_leave_out_what_must_be_set_and_are_made_anew_each_time():
    defaults = default_values(Outer)
    assert "must" not in defaults
    assert defaults["made"] == ("x",)
    assert defaults["hooks"] == []
    assert defaults["hooks"] is not default_values(Outer)["hooks"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), tuple(Outer.model_fields)),
        (("inner",), ("deep",)),
        (("hooks", 0), ("command", "retries")),
        (("optional",), ("command", "retries")),
        (("profiles", "any"), ("command", "retries")),
        (("names",), ()),
        (("hooks",), ()),
        (("hooks", "x"), ()),
        (("nothing", "here"), ()),
    ],
)
def test_the_keys_of_a_place_are_those_of_its_model(path: KeyPath, expected: tuple[str, ...]):
    assert keys_at(Outer, path) == expected


def test_the_shape_of_a_field_keeps_its_constraints():
    class Bounded(BaseModel):
        size: int = Field(default=1, ge=0, description="How many.")

    assert child(Bounded, "size") == Annotated[int, Bounded.model_fields["size"]]
