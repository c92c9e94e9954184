"""Settings with URLs, which are validated and never printed."""

from dataclasses import FrozenInstanceError
from itertools import takewhile
from pathlib import Path

import pytest
from pydantic import ValidationError

from attractor.config.checks import require_model_name, require_pattern
from attractor.config.configuration import Configuration
from attractor.config.errors import InvalidSetting
from attractor.config.schema import (
    FREE_KEY,
    SettingReference,
    Slot,
    default_values,
    leaves,
    list_settings,
    slots,
)
from attractor.config.settings import OutputSettings, SandboxLimitSettings, Settings
from attractor.config.tables import model_of
from attractor.config.user_folders import default_state_dir, path_of_variable, variable_name
from tests.config.project import Project
from tests.tables import table

SLOTS = list(slots(Settings))
KEYS = [".".join(str(part) for part in slot.path) for slot in SLOTS]


def test_defaults_match_the_documentation():
    settings = Settings()
    assert settings.state_dir == default_state_dir()
    assert settings.runs_dir == Path("runs")
    assert settings.output.color == "auto"
    assert settings.doctor.min_free_mb == 1024
    assert settings.rules == {}


def test_every_setting_has_a_default():
    defaults = {leaf.path for leaf in leaves(Settings, default_values(Settings))}
    # The default of a table with free keys is an empty table.
    assert {tuple(takewhile(FREE_KEY.__ne__, slot.path)) for slot in SLOTS} <= defaults


@table("slot", SLOTS, ids=KEYS)
def test_every_setting_is_reached_by_its_variable(slot: Slot):
    named = tuple("name" if part == FREE_KEY else part for part in slot.path)
    assert path_of_variable(variable_name(slot.path)) == named


@table("reference", list_settings(Settings), ids=KEYS)
def test_every_setting_is_described_in_a_sentence(reference: SettingReference):
    assert reference.description.endswith(".")
    assert reference.kind
    assert reference.default


def test_sections_are_frozen_and_closed() -> None:
    with pytest.raises(FrozenInstanceError, match="color"):
        OutputSettings().color = "never"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="colour"):
        model_of(OutputSettings).model_validate({"colour": "never"})
    with pytest.raises(TypeError, match="colour"):
        OutputSettings(colour="never")  # pyright: ignore[reportCallIssue]


def test_model_name_has_a_provider() -> None:
    assert require_model_name("openai/gpt-5.2") == "openai/gpt-5.2"
    assert require_model_name("openrouter/meta/llama") == "openrouter/meta/llama"
    for text in ("gpt-5.2", "openai/", "/gpt-5.2"):
        with pytest.raises(ValueError, match="provider/model"):
            require_model_name(text)


@pytest.mark.parametrize("name", ["API_KEY", "GITHUB_TOKEN_FILE", "HOME", "ATTRACTOR_X", "A-B"])
def test_variable_of_a_sandbox_has_a_plain_name(name: str) -> None:
    checked = model_of(SandboxLimitSettings)
    checked.model_validate({"env": {"RUSTUP_HOME": "~/.rustup"}})
    with pytest.raises(ValidationError, match=name):
        checked.model_validate({"env": {name: "x"}})


def test_pattern_is_valid_and_does_not_match_everything() -> None:
    assert require_pattern("acme-[0-9]+") == "acme-[0-9]+"
    with pytest.raises(ValueError, match="invalid regular expression"):
        require_pattern("acme-[")
    with pytest.raises(ValueError, match="matches every text"):
        require_pattern("x*")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[llm]\ncache_mode = "read_only"', "llm: llm.cache_mode read_only requires llm.cache"),
        ('[llm]\nredact_patterns = ["a"]', "llm: llm.redact_patterns requires llm.redact = true"),
        ('[llm]\nredact = true\nredact_patterns = ["["]', "invalid regular expression"),
        ('[llm.fall_back]\n"gpt-5.2" = ["claude-opus-4-6"]', "write a model as provider/model"),
        ("[llm.requests_per_minute]\nopenai = 0", "greater than or equal to 1"),
        ("[agent.mcp.x]\nargs = []", "an MCP server requires either command or url"),
        ("[agent.mcp.x]\ncommand = 'x'\nheaders = {A = 'b'}", "headers to url"),
        ("[agent.mcp.x]\nurl = 'http://h/'\nenv = {A = 'b'}", "args and env belong to command"),
    ],
)
def test_setting_without_effect_is_refused(project: Project, text: str, message: str) -> None:
    project.write(text)
    with pytest.raises(InvalidSetting, match=message) as caught:
        project.load(Settings)
    assert "attractor.toml" in str(caught.value)


def test_values_for_mcp_servers_are_not_shown(project: Project) -> None:
    project.write(
        "[agent.mcp.a]\ncommand = 'run'\nenv = {KEY = 'the-secret'}\n"
        "[agent.mcp.b]\nurl = 'https://h/the-secret'\nheaders = {Authorization = 'the-secret'}\n"
    )
    found = project.load(Settings)
    servers = found.settings.agent.mcp
    assert servers["a"].env["KEY"].get_secret_value() == "the-secret"
    assert servers["b"].headers["Authorization"].get_secret_value() == "the-secret"
    assert "the-secret" not in str(found.entries())


def loaded(folder: Path, address: str) -> Configuration[Settings]:
    (folder / "attractor.toml").write_text(f"[notify]\nurl = '{address}'\n")
    return Project(folder, folder / "none", folder).load(Settings)


@table("address", ["https://chat.example/hooks/T0/secret?x=1", "http://127.0.0.1:8080", ""])
def test_url_is_accepted_and_not_shown(tmp_path: Path, address: str) -> None:
    found = loaded(tmp_path, address)
    assert found.settings.notify.url.get_secret_value() == address
    [shown] = [str(one.value) for one in found.entries() if one.key == "notify.url"]
    assert shown == ("*" * 10 if address else "")


@table(
    "address",
    [
        "file:///etc/the-secret",
        "the-secret",
        "https:///the-secret",
        "https://host:99999/the-secret",
        "https://me:the-secret@host/",
        "https://host/the-secret with blanks",
        "https://hóst/the-secret",
        "https://[host/the-secret",
        "https://host..example/the-secret",
    ],
)
def test_invalid_url_is_refused_without_being_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidSetting, match="notify.url: invalid URL") as refused:
        loaded(tmp_path, address)
    assert "the-secret" not in str(refused.value)


def test_unusable_address_and_token_of_a_service_are_refused(project: Project) -> None:
    table = "[growth.adapters.calendar]\n"
    for line, message in (
        ('url = "https://calendar.example/v1?key=1"', "a query"),
        ('url = "https://calendar.example/v1#part"', "a query"),
        ('token = "the-secret\\n"', "invalid token"),
        ('token = "the-secrét"', "invalid token"),
    ):
        project.write(f"{table}{line}\n")
        with pytest.raises(InvalidSetting, match=message) as refused:
            project.load(Settings)
        assert "the-secr" not in str(refused.value)
