"""Entries of the configuration, and the origin of each."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from attractor.base.errors import UnknownName
from attractor.config.configuration import DEFAULT, Origin, OriginKind
from attractor.config.schema import SettingReference, list_settings
from attractor.config.sections import SecretStr
from attractor.config.settings import Settings
from attractor.config.tables import StrictTable as Section
from tests.config.models import Everything
from tests.config.project import Project
from tests.tables import table


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
        ("workspace.leave_out", (), "default"),
        ("workspace.ports", (), "default"),
        ("workspace.worktrees", "", "default"),
        ("workspace.teardown", "", "default"),
        ("caches.write", {}, "default"),
        ("caches.read", (), "default"),
        ("sandbox.max_processes", 4096, "default"),
        ("sandbox.max_memory_mb", None, "default"),
        ("sandbox.max_open_files", 16384, "default"),
        ("sandbox.max_file_mb", 16384, "default"),
        ("sandbox.env", {}, "default"),
        ("worlds.max_working_actors", None, "default"),
        ("worlds.resume_within", "12h", "default"),
        ("worlds.pool", "", "default"),
        ("worlds.overlap", "warn", "default"),
        ("missions.failed_thrice", "give_up", "default"),
        ("missions.same_again", "give_up", "default"),
        ("missions.returned_often", "give_up", "default"),
        ("missions.dear", "ask", "default"),
        ("memory.lessons", 5, "default"),
        ("memory.bytes", 2000, "default"),
        ("places", {}, "default"),
        ("tracing.enabled", "auto", "default"),
        ("notify.command", "", "default"),
        ("notify.url", SecretStr(""), "default"),
        ("notify.after_seconds", 60, "default"),
        ("notify.timeout_seconds", 30, "default"),
        ("notify.children", False, "default"),
        ("llm.model", "", "default"),
        ("llm.provider", "", "default"),
        ("llm.log", None, "default"),
        ("llm.redact", False, "default"),
        ("llm.redact_patterns", (), "default"),
        ("llm.cache", None, "default"),
        ("llm.cache_mode", "read_write", "default"),
        ("llm.fall_back", {}, "default"),
        ("llm.requests_per_minute", {}, "default"),
        ("llm.tokens_per_minute", {}, "default"),
        ("llm.concurrent_requests", {}, "default"),
        ("backends.default", "agent", "default"),
        ("backends.wait_for_limits", True, "default"),
        ("backends.acp.run", "", "default"),
        ("backends.acp.provider", None, "default"),
        ("backends.acp.read", (), "default"),
        ("backends.command.run", "", "default"),
        ("backends.command.provider", None, "default"),
        ("backends.command.read", (), "default"),
        ("agent.mcp", {}, "default"),
        ("factory.suite", "", "default"),
        ("factory.profile", "", "default"),
        ("factory.max_same_cause", 5, "default"),
        ("pull_request.remote", "origin", "default"),
        ("pull_request.labels", (), "default"),
        ("pull_request.max_rounds", 3, "default"),
        ("pull_request.hook_secret", SecretStr(""), "default"),
        ("growth.adapters", {}, "default"),
        ("growth.hooks", {}, "default"),
        ("growth.hosts", (), "default"),
        ("growth.proxy_user_header", "", "default"),
        ("growth.users", {}, "default"),
        ("fleet.url", SecretStr(""), "default"),
        ("fleet.store", "", "default"),
        ("fleet.sealed_store", "", "default"),
        ("fleet.pool", "agents", "default"),
        ("fleet.slots", 2, "default"),
        ("fleet.labels", (), "default"),
        ("fleet.workers", None, "default"),
        ("fleet.max_head_bytes", 4 << 30, "default"),
        ("server.max_processes", None, "default"),
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


def test_entries_of_a_model_without_settings_and_unknown_origins(project: Project) -> None:
    with pytest.raises(UnknownName) as caught:
        project.load(Settings).origin("output.colour")
    assert caught.value.hint == "did you mean output.color?"

    class Nothing(Section):
        pass

    assert project.load(Nothing).entries() == ()


@table(
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


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


class Entry(BaseModel):
    """A thing in a list."""

    name: str = Field(description="What it is called.")


def make_words() -> list[str]:
    """The words the machine knows."""
    return ["a machine's own word"]


class Model(BaseModel):
    """One field of every kind."""

    flag: bool = True
    size: int = Field(default=3, ge=0, le=9)
    share: float = Field(default=0.5, gt=0, lt=1)
    word: str = "x"
    folder: Path = Path("here")
    choice: Literal["a", "b", "c"] = "a"
    only: Literal["a"] = "a"
    side: Side = Side.LEFT
    sides: list[Side] = [Side.LEFT]
    folders: tuple[Path, ...] = ()
    entries: list[Entry] = []
    maybe: int | None = None
    either: int | str = 1
    anything: Any = None
    computed: list[str] = Field(default_factory=make_words)
    made: list[str] = Field(default_factory=list)
    must: str
    named: dict[str, Entry] = {}


KINDS = {
    "flag": "true or false",
    "size": "whole number, at least 0, at most 9",
    "share": "number, more than 0, less than 1",
    "word": "text",
    "folder": "path",
    "choice": "a, b or c",
    "only": "a",
    "side": "left or right",
    "sides": "list of left or right",
    "folders": "list of path",
    "entries": "list of table",
    "maybe": "whole number",
    "either": "whole number or text",
    "anything": "anything",
    "named.NAME.name": "text",
}
DEFAULTS = {
    "flag": "true",
    "size": "3",
    "word": "'x'",
    "folder": "'here'",
    "side": "'left'",
    "made": "[]",
    "computed": "The words the machine knows",
    "maybe": "none",
    "must": "none",
    "named.NAME.name": "none",
}
REFERENCES = {reference.key: reference for reference in list_settings(Model)}


@table(("key", "words"), KINDS.items())
def test_kinds_are_described(key: str, words: str):
    assert REFERENCES[key].kind == words


@table(("key", "words"), DEFAULTS.items())
def test_defaults_are_written_as_in_toml_and_computed_ones_are_described(key: str, words: str):
    assert REFERENCES[key].default == words


def test_every_setting_is_listed_in_the_order_of_the_model():
    fields = [key.partition(".")[0] for key in REFERENCES]
    assert fields == list(Model.model_fields)


def test_the_default_of_a_section_is_that_of_its_field():
    class Section(BaseModel):
        color: str = "auto"

    class Outer(BaseModel):
        section: Section = Section(color="never")

    assert list_settings(Outer)[0].default == "'never'"


def test_reference_of_a_setting():
    [color] = [one for one in list_settings(Settings) if one.key == "output.color"]
    assert color == SettingReference(
        key="output.color",
        kind="auto, always or never",
        default="'auto'",
        variable="ATTRACTOR_OUTPUT__COLOR",
        description=color.description,
    )
    assert REFERENCES["named.NAME.name"].variable == "ATTRACTOR_NAMED__NAME__NAME"
    assert REFERENCES["named.NAME.name"].description == "What it is called."


def test_documentation_contains_no_local_path():
    assert str(Path.home()) not in str(list_settings(Settings))
