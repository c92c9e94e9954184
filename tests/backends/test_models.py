"""Preflight of models, providers and API keys."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from attractor.agent.definitions import AgentDefinition, AgentSettings
from attractor.agent.prompts import Prompt
from attractor.backends.accounts import Accounts
from attractor.backends.models import (
    ModelDefaults,
    account_of,
    complete_defaults,
    find_incomplete,
    find_misspelled,
    find_unready,
    has_key,
    newest_model,
)
from attractor.backends.provider_needs import KEYS, is_provider, key_remedy
from attractor.base.errors import UnknownName
from attractor.language.graph.graph import Node
from attractor.language.preparation.prepare import transform_all
from attractor.language.reading import read_graph
from attractor.language.source.text import Source
from attractor.llm.client import AdapterTimeout, provider_registry
from tests.tables import table

# Valid both as an API key and as a URL.
SET = "http://127.0.0.1:9/v1"
BOTH = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}


def nodes_of(*lines: str) -> list[Node]:
    """Return the nodes of a pipeline with these lines; they begin at line 2 of its text."""
    graph, found, _ = read_graph(Source("\n".join(["digraph d {", *lines, "}"]), "p.dot"))
    assert graph is not None, found
    return list(transform_all(graph).nodes.values())


REVIEWER = AgentSettings(model="claude-opus-4-6")
GEMINI = AgentSettings(profile="gemini")


@table(
    ("named", "settings", "model", "expected"),
    [
        ("agent=one", REVIEWER, "gpt-5.2", ("anthropic", "claude-opus-4-6")),
        ("agent=one", AgentSettings(), "gpt-5.2", ("openai", "gpt-5.2")),
        ("agent=one, llm_model=codex", REVIEWER, "", ("openai", "gpt-5.3-codex")),
        ("agent=one, llm_provider=openai", REVIEWER, "", ("openai", "")),
        ("agent=one, llm_provider=openai", REVIEWER, "gpt-5.2", ("openai", "gpt-5.2")),
        ("agent=one", GEMINI, "gpt-5.2", ("gemini", "")),
        ("agent=one", GEMINI, "gemini-pro", ("gemini", "gemini-3.1-pro-preview")),
        ("agent=one", GEMINI, "groq/x", ("groq", "groq/x")),
        ("agent=one", AgentSettings(model="azure/x", profile="openai"), "", ("azure", "azure/x")),
        ("agent=nobody", REVIEWER, "gpt-5.2", ("openai", "gpt-5.2")),
    ],
)
def test_model_of_an_agent_is_below_the_node_and_above_the_defaults(
    named: str, settings: AgentSettings, model: str, expected: tuple[str, str]
) -> None:
    agents = {"one": AgentDefinition("one", settings, Prompt(Path(), ""))}
    defaults = ModelDefaults(model, agents=agents)
    choice = defaults.choose(nodes_of(f"a [{named}]")[0])
    assert (choice.provider, choice.model) == expected


@table(
    ("named", "defaults", "expected"),
    [
        ("llm_model=opus", {}, ("anthropic", "claude-opus-")),
        ("llm_model=codex", {}, ("openai", "gpt-")),
        ("llm_model=sonnet, llm_provider=anthropic", {}, ("anthropic", "claude-sonnet-")),
        ("", {"model": "haiku"}, ("anthropic", "claude-haiku-")),
        ("llm_model=mine, llm_provider=openai", {}, ("openai", "mine")),
        ("llm_provider=openai", {"model": "opus"}, ("openai", "")),
        ('llm_model="hosted_vllm/Qwen/Qwen3"', {}, ("hosted_vllm", "hosted_vllm/Qwen/Qwen3")),
        ('llm_model="openai/gpt-x"', {}, ("", "openai/gpt-x")),
        (
            'llm_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0"',
            {},
            ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
    ],
)
def test_short_name_is_resolved_to_its_model(
    named: str, defaults: dict[str, str], expected: tuple[str, str]
) -> None:
    [node] = nodes_of(f"a [{named}]")
    choice = ModelDefaults(defaults.get("model", "")).choose(node)
    assert choice.provider == expected[0]
    assert choice.model.startswith(expected[1])
    assert choice.model not in ("opus", "codex", "sonnet", "haiku")


@table(
    ("line", "defaults", "environ", "expected"),
    [
        ("a", {}, {"ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ("a", {}, {"OPENAI_API_KEY": "k"}, "openai"),
        ("a", {}, {"GOOGLE_API_KEY": "k"}, "gemini"),
        # A gateway is used only if it is named.
        ("a", {}, {"OPENAI_API_KEY": "k", "GROQ_API_KEY": "k"}, "openai"),
        # Its models are unknown.
        ("a", {}, {"OPENAI_API_KEY": "k", "OPENAI_COMPATIBLE_BASE_URL": "http://x"}, "openai"),
        ("a", {}, {"OPENAI_COMPATIBLE_BASE_URL": "http://x"}, ""),
        ("a", {"provider": "openai"}, BOTH, "openai"),
        ("a", {}, BOTH, ""),
        ("a", {}, {}, ""),
        ("a [llm_model=gpt-5]", {}, {"ANTHROPIC_API_KEY": "k"}, ""),
    ],
)
def test_newest_model_of_the_only_provider_with_a_key_is_the_default(
    line: str, defaults: dict[str, str], environ: dict[str, str], expected: str
) -> None:
    given = ModelDefaults(defaults.get("model", ""), defaults.get("provider", ""))
    found = asyncio.run(complete_defaults(nodes_of(line), given, environ))
    assert found == (ModelDefaults(newest_model(expected), expected) if expected else given)


def test_a_name_close_to_a_known_model_is_found() -> None:
    nodes = nodes_of("a [llm_model=claude-opus-4-66]", "b [llm_model=opus]", "c")
    defaults = ModelDefaults("gpt-5.22")
    near = dict(find_misspelled(nodes, defaults, ["anthropic", "openai"]))
    assert near.keys() == {"claude-opus-4-66", "gpt-5.22"}
    assert near["claude-opus-4-66"].startswith("claude-opus-4-6")
    assert not [*find_misspelled(nodes_of("a [llm_model=gpt-of-my-own]"), defaults, ["openai"])]


AZURE = {"AZURE_API_KEY": "k", "AZURE_API_BASE": SET}


@table(
    ("provider", "environ", "message", "remedy"),
    [
        ("azure", AZURE, "", ""),
        ("openai", {}, "missing API key of the provider 'openai'", "set OPENAI_API_KEY"),
        (
            "azure",
            {"AZURE_API_KEY": "k", "GROQ_API_KEY": "k"},
            "missing AZURE_API_BASE of the provider 'azure'",
            "set AZURE_API_BASE",
        ),
        (
            "azure",
            {"AZURE_API_BASE": SET},
            "missing AZURE_API_KEY or AZURE_AD_TOKEN of the provider 'azure'",
            "set AZURE_API_KEY or AZURE_AD_TOKEN",
        ),
        ("opnai", {}, "unknown provider 'opnai'", "did you mean openai?"),
    ],
)
def test_fault_of_a_provider_names_the_variables_that_are_not_set(
    provider: str, environ: dict[str, str], message: str, remedy: str
) -> None:
    fault = asyncio.run(find_unready(provider, environ))
    assert (fault.message if fault else "", fault.hint if fault else "") == (message, remedy)


def test_half_configured_provider_is_found() -> None:
    [fault] = asyncio.run(find_incomplete({"AZURE_API_KEY": "k", "AWS_PROFILE": "p"})).values()
    assert fault.message == "missing AZURE_API_BASE of the provider 'azure'"
    assert not asyncio.run(find_incomplete({**AZURE, "ANTHROPIC_API_KEY": "k"}))


def test_missing_package_of_vertex_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"VERTEXAI_PROJECT": "p"}
    assert asyncio.run(find_unready("vertex_ai", environ)) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # pyright: ignore
    [fault] = asyncio.run(find_incomplete(environ)).values()
    assert fault.message == "missing package google.auth of the provider 'vertex_ai'"
    assert "[vertex]" in fault.hint


def test_account_of_another_provider_is_that_of_its_variables(tmp_path: Path) -> None:
    def name_of(environ: dict[str, str]) -> str:
        return account_of("azure", Accounts(tmp_path, environ)).name

    others = [{**AZURE, name: "another"} for name in AZURE]
    assert len({name_of(AZURE), *map(name_of, others)}) == 3
    assert name_of({**AZURE, "PATH": "/bin"}) == name_of(AZURE)


@table(
    ("model", "effort"),
    [
        ("gpt-5.2", "high"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "high"),
        ("bedrock/amazon.nova-pro-v1:0", ""),
        ("azure/of-my-own", ""),
    ],
)
def test_other_providers_get_an_effort_only_for_models_known_to_reason(
    model: str, effort: str
) -> None:
    assert ModelDefaults(model).choose(nodes_of("a")[0]).reasoning_effort == effort
    [asking] = nodes_of("a [reasoning_effort=low]")
    assert ModelDefaults(model).choose(asking).reasoning_effort == "low"


@table(("provider", "variable"), [(p, v) for p, vs in KEYS.items() for v in vs])
def test_key_table_agrees_with_each_provider(provider: str, variable: str) -> None:
    adapter = provider_registry()[provider].from_env({variable: SET}, timeout=AdapterTimeout())
    assert adapter is not None
    asyncio.run(adapter.close())
    assert asyncio.run(has_key(provider, {variable: SET}))
    assert variable in key_remedy(provider)
    assert provider_registry()[provider].from_env({}, timeout=AdapterTimeout()) is None
    assert not asyncio.run(has_key(provider, {}))


def test_a_provider_that_is_not_in_the_table_is_asked_itself() -> None:
    with pytest.raises(UnknownName):
        asyncio.run(has_key("nobody", {}))
    assert not asyncio.run(has_key("litellm", {}))
    assert asyncio.run(has_key("litellm", {"GROQ_API_KEY": "k"}))


@table(
    ("provider", "environ", "remedy"),
    [
        ("groq", {"GROQ_API_KEY": "k"}, "set GROQ_API_KEY"),
        ("ollama", {"OLLAMA_API_BASE": SET}, "set OLLAMA_API_BASE"),
        ("deepinfra", {"DEEPINFRA_API_KEY": "k"}, "set DEEPINFRA_API_KEY or DEEPINFRA_API_BASE"),
        (
            "azure",
            {"AZURE_API_KEY": "k", "AZURE_API_BASE": SET},
            "set AZURE_API_KEY and AZURE_API_BASE or AZURE_AD_TOKEN and AZURE_API_BASE",
        ),
    ],
)
def test_provider_served_by_another_has_a_key(
    provider: str, environ: dict[str, str], remedy: str
) -> None:
    assert is_provider(provider)
    assert key_remedy(provider) == remedy
    assert asyncio.run(has_key(provider, environ))
    assert not asyncio.run(has_key(provider, {}))
    assert not asyncio.run(has_key(provider, {"MISTRAL_API_KEY": "k"}))


def test_unknown_name_is_no_provider() -> None:
    assert is_provider("openai")
    assert is_provider("litellm")
    assert not is_provider("nobody")
    assert not is_provider("")
