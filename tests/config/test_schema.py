"""Entries of the configuration, and the origin of each."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from attractor.base.errors import UnknownName
from attractor.config.schema import (
    DEFAULT,
    Origin,
    OriginKind,
)
from attractor.config.settings import Section, Settings
from tests.config.models import Everything
from tests.config.project import Project


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
