from datetime import date
from pathlib import Path

import pytest

from attractor.agent.provider_profile import (
    ProfileTraits,
    create_profile,
    find_provider,
    profile_parts,
)
from attractor.agent.surroundings import Surroundings
from attractor.agent.tool import RegisteredTool, define, tool_parts
from attractor.base.errors import UnknownName
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

PLACE = Surroundings("/workspace", "linux", "6.1", date(2026, 11, 20), "m-1")


async def nothing(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    return ""


@pytest.mark.parametrize("name", list(profile_parts()))
def test_every_tool_of_a_profile_is_there(name: str) -> None:
    traits = profile_parts()[name]
    assert traits.id == name
    assert set(traits.tool_names) <= set(tool_parts())
    assert create_profile(name, model="m").tool_registry.names() == list(traits.tool_names)


@pytest.mark.parametrize("name", list(tool_parts()))
def test_a_tool_goes_by_the_name_of_its_file(name: str) -> None:
    assert tool_parts()[name].name == name


def test_layers_stand_in_their_order() -> None:
    profile = create_profile("anthropic", model="m-1")
    prompt = profile.build_system_prompt(PLACE, documents="# DOCS", instructions="Obey the user.")
    marks = ["You are a coding agent", "<environment>", "# Tools", "# DOCS", "Obey the user."]
    places = [prompt.index(mark) for mark in marks]
    assert places == sorted(places)
    assert prompt.endswith("Obey the user.")


def test_layers_without_words_leave_no_gap() -> None:
    profile = create_profile("openai", model="m-1")
    for name in profile.tool_registry.names():
        profile.tool_registry.unregister(name)
    assert profile.build_system_prompt(PLACE) == f"{profile.base_prompt}\n\n{PLACE.block()}"


def test_profiles_do_not_share_their_tools() -> None:
    one, other = (create_profile("openai", model="m") for _ in range(2))
    definition = define("mine", "Mine.", {}, required=[])
    one.tool_registry.register(RegisteredTool(definition, nothing))
    assert "mine" in one.tool_registry
    assert "mine" not in other.tool_registry


def test_a_project_replaces_the_base_prompt(tmp_path: Path) -> None:
    (tmp_path / "openai.md").write_text("Be kind.")
    assert create_profile("openai", model="m", prompt_folders=[tmp_path]).base_prompt == "Be kind."


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(UnknownName, match="unknown profile 'gemini'"):
        create_profile("gemini", model="m")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.2-codex", "openai"),
        ("o3-mini", "openai"),
        ("claude-opus-4-6", "anthropic"),
        ("gemini-3-flash-preview", ""),
        ("", ""),
    ],
)
def test_a_models_name_gives_its_provider_away(model: str, provider: str) -> None:
    assert find_provider(model) == provider


def test_options_go_to_the_provider() -> None:
    traits = ProfileTraits(
        id="x",
        model_prefixes=(),
        tool_names=(),
        project_documents=(),
        context_window_size=1,
        provider_options={"x": {"beta_headers": ["b"]}},
    )
    assert traits.provider_options == {"x": {"beta_headers": ["b"]}}
