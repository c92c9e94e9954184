""""""

from pathlib import Path
from typing import Annotated, Literal, Never

import pytest
from pydantic import BaseModel, Field, SecretStr

from attractor.base.errors import UnknownName
from attractor.base.toml import KeyPath
from attractor.config.schema import (
    DEFAULT,
    Origin,
    OriginKind,
    child,
    default_values,
    is_table,
    keys_at,
    leaves,
    slots,
)
from attractor.config.settings import Section, Settings
from tests.config.models import Everything
from tests.config.project import Project


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


def test_models_inside_values_are_tables():
    found = [leaf.path for leaf in leaves(Outer, Outer(must=1, profiles={"p": Hook(command="c")}))]
    assert (("profiles", "p", "command")) in found
    assert found[0] == ("inner", "deep")


def test_unknown_key_is_a_leaf_of_shape_never():
    [leaf] = leaves(Outer, {"nothing": {"like": "it"}})
    assert (leaf.path, leaf.shape) == (("nothing",), Never)


@pytest.mark.parametrize("key", ["inner", "names"])
@pytest.mark.parametrize("value", [{}, "text", 3])
def test_empty_table_and_misplaced_value_are_leaves(key: str, value: object):
    [leaf] = leaves(Outer, {key: value})
    assert (leaf.path, leaf.value) == ((key,), value)


def test_empty_value_has_no_leaves():
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


def test_defaults_omit_required_fields_and_are_fresh():
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
def test_keys_of_a_path_are_those_of_its_model(path: KeyPath, expected: tuple[str, ...]):
    assert keys_at(Outer, path) == expected


def test_the_shape_of_a_field_keeps_its_constraints():
    class Bounded(BaseModel):
        size: int = Field(default=1, ge=0, description="How many.")

    assert child(Bounded, "size") == Annotated[int, Bounded.model_fields["size"]]


def test_entries_are_every_setting_with_its_value_and_origin_in_order(project: Project):
    project.write("[doctor]\nmin_free_mb = 5")
    configuration = project.load(Settings)
    entries = [
        (entry.key, entry.value, entry.origin.describe()) for entry in configuration.entries()
    ]
    assert entries == [
        ("state_dir", configuration.settings.state_dir, "default"),
        ("runs_dir", project.root / "runs", "default"),
        ("workspaces_dir", Path("/var/tmp"), "default"),
        ("output.color", "auto", "default"),
        ("doctor.min_free_mb", 5, "attractor.toml:2"),
        ("workspace.setup", "", "default"),
        ("workspace.setup_files", (), "default"),
        ("workspace.setup_minutes", 30, "default"),
        ("workspace.carry", (), "default"),
        ("workspace.carry_read_only", (), "default"),
        ("tracing.enabled", "auto", "default"),
        ("notify.command", "", "default"),
        ("notify.url", SecretStr(""), "default"),
        ("notify.after_seconds", 60, "default"),
        ("notify.timeout_seconds", 30, "default"),
        ("llm.log", None, "default"),
        ("llm.redact", False, "default"),
        ("llm.redact_patterns", (), "default"),
        ("llm.cache", None, "default"),
        ("llm.cache_mode", "read_write", "default"),
        ("llm.fall_back", {}, "default"),
        ("llm.requests_per_minute", {}, "default"),
        ("llm.tokens_per_minute", {}, "default"),
        ("llm.concurrent_requests", {}, "default"),
        ("rules", {}, "default"),
    ]


def test_entries_go_into_sections_and_free_tables_at_any_depth(project: Project):
    flags = ["aliases.b=1", "aliases.a=2", "profiles.p.model=m", "outer.inner.limits.low=3"]
    configuration = project.load(Everything, flags=flags)
    values = {entry.key: entry.value for entry in configuration.entries()}
    assert values["outer.inner.limits.low"] == 3
    assert (values["aliases.a"], values["aliases.b"]) == ("2", "1")
    assert values["profiles.p.effort"] == "low"
    assert values["hooks"] == []
    assert values["mounts"] == {}
    assert list(configuration.origins) == list(values)
    assert configuration.origin("profiles.p.effort").describe() == "default"
    assert configuration.origin("profiles.p.model").describe() == "--config profiles.p.model=m"


def test_origin_of_an_unknown_setting_suggests_a_name(project: Project):
    with pytest.raises(UnknownName) as caught:
        project.load(Settings).origin("output.colour")
    assert caught.value.hint == "did you mean output.color?"


def test_a_model_without_settings_has_no_entries(project: Project):
    class Nothing(Section):
        pass

    assert project.load(Nothing).entries() == ()


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (DEFAULT, "default"),
        (Origin(OriginKind.USER, "/home/me/config.toml"), "/home/me/config.toml"),
        (Origin(OriginKind.PROJECT, "attractor.toml", 3), "attractor.toml:3"),
        (Origin(OriginKind.PROJECT, "attractor.toml", 3, 7), "attractor.toml:3:7"),
        (Origin(OriginKind.VARIABLE, "ATTRACTOR_STATE_DIR"), "ATTRACTOR_STATE_DIR"),
        (Origin(OriginKind.FLAG, "output.color=never"), "--config output.color=never"),
        (Origin(OriginKind.FLAG, "a=b\nc"), "--config a=b\\U0000000Ac"),
    ],
)
def test_origin_is_one_line(origin: Origin, said: str):
    assert origin.describe() == said


def test_layers_are_in_order_of_precedence():
    assert list(OriginKind) == ["default", "user", "project", "variable", "flag"]
