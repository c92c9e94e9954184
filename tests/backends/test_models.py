"""What the look before the first stage finds of models, providers and their keys.

The table of keys says what the providers themselves say.
"""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.agent.definitions import AgentDefinition, AgentSettings
from attractor.agent.events import EventEmitter, EventKind, SessionEvent
from attractor.agent.prompts import Prompt
from attractor.backends.models import (
    KEYS,
    Meter,
    ModelChoice,
    ModelDefaults,
    Pricing,
    complete_defaults,
    find_misspelled,
    find_model_faults,
    has_key,
    is_provider,
    key_remedy,
    newest_model,
)
from attractor.base.clock import SystemClock
from attractor.base.errors import UnknownName
from attractor.engine.outcome import Usage
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node
from attractor.language.preparation.prepare import transform_all
from attractor.language.reading import read_graph
from attractor.language.source.text import Source
from attractor.llm import ConfigurationError, ModelInfo, Prices, PriceTier
from attractor.llm.client import AdapterTimeout, provider_registry
from attractor.llm.response import Usage as Used

BOTH = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}


def nodes_of(*lines: str) -> list[Node]:
    """Return the nodes of a pipeline; the first line given is its second."""
    graph, found, _ = read_graph(Source("\n".join(["digraph d {", *lines, "}"]), "p.dot"))
    assert graph is not None, found
    return list(transform_all(graph).nodes.values())


def faults(
    nodes: list[Node],
    environ: Mapping[str, str] = BOTH,
    *,
    model: str = "",
    provider: str = "",
) -> list[Diagnostic]:
    return asyncio.run(find_model_faults(nodes, ModelDefaults(model, provider), environ))


def told(*args: object, **more: object) -> list[tuple[int, str, str]]:
    return [(one.span.line, one.message, one.fix) for one in faults(*args, **more)]  # pyright: ignore[reportArgumentType]


def test_nodes_whose_model_and_key_are_there_have_no_fault() -> None:
    nodes = nodes_of("a [llm_model=x, llm_provider=openai]", 'b [llm_model="claude-1"]', "c")
    assert faults(nodes, model="gpt-5") == []
    assert faults([]) == []


def test_a_missing_model_is_said_once_with_two_models_to_type() -> None:
    words = "missing llm_model: no model is chosen"
    either = [f"--model {newest_model(one)}" for one in ("anthropic", "openai")]
    hint = (
        f"pass {' or '.join(either)}, or set llm_model in the pipeline or llm.model in "
        "attractor.toml; 'attractor models' lists models"
    )
    assert told(nodes_of("a", "b")) == [(2, f"nodes a, b: {words}", hint)]
    [(_, _, without_key)] = told(nodes_of("a", "b"), {})
    keys = "set ANTHROPIC_API_KEY or GEMINI_API_KEY or OPENAI_API_KEY; to choose a model, "
    assert without_key.startswith(f"{keys}pass {either[0]} or --model gemini-")
    [(_, _, of_one)] = told(nodes_of("a [llm_provider=anthropic]"), model="gpt-5")
    assert of_one.startswith(f"pass {either[0]} or --model claude-")


REVIEWER = AgentSettings(model="claude-opus-4-6")
GEMINI = AgentSettings(profile="gemini")


@pytest.mark.parametrize(
    ("named", "settings", "model", "expected"),
    [
        ("agent=one", REVIEWER, "gpt-5.2", ("anthropic", "claude-opus-4-6")),
        ("agent=one", AgentSettings(), "gpt-5.2", ("openai", "gpt-5.2")),
        ("agent=one, llm_model=codex", REVIEWER, "", ("openai", "gpt-5.3-codex")),
        ("agent=one, llm_provider=openai", REVIEWER, "", ("openai", "")),
        ("agent=one, llm_provider=openai", REVIEWER, "gpt-5.2", ("openai", "gpt-5.2")),
        ("agent=one", GEMINI, "gpt-5.2", ("gemini", "")),
        ("agent=one", GEMINI, "gemini-pro", ("gemini", "gemini-3.1-pro-preview")),
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


def test_fault_of_an_agents_model_names_the_agent() -> None:
    agents = {"one": AgentDefinition("one", REVIEWER, Prompt(Path(), ""))}
    defaults = ModelDefaults(agents=agents)
    [fault] = asyncio.run(find_model_faults(nodes_of("a [agent=one]"), defaults, {}))
    words = "missing API key of the provider 'anthropic'"
    assert (fault.message, fault.fix) == (f"node a: agent=one: {words}", "set ANTHROPIC_API_KEY")


@pytest.mark.parametrize(
    ("named", "defaults", "expected"),
    [
        ("llm_model=opus", {}, ("anthropic", "claude-opus-")),
        ("llm_model=codex", {}, ("openai", "gpt-")),
        ("llm_model=sonnet, llm_provider=anthropic", {}, ("anthropic", "claude-sonnet-")),
        ("", {"model": "haiku"}, ("anthropic", "claude-haiku-")),
        ("llm_model=mine, llm_provider=openai", {}, ("openai", "mine")),
        ("llm_provider=openai", {"model": "opus"}, ("openai", "")),
    ],
)
def test_a_short_name_stands_for_its_model(
    named: str, defaults: dict[str, str], expected: tuple[str, str]
) -> None:
    [node] = nodes_of(f"a [{named}]")
    choice = ModelDefaults(defaults.get("model", "")).choose(node)
    assert choice.provider == expected[0]
    assert choice.model.startswith(expected[1])
    assert choice.model not in ("opus", "codex", "sonnet", "haiku")


@pytest.mark.parametrize(
    ("line", "defaults", "environ", "expected"),
    [
        ("a", {}, {"ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ("a", {}, {"OPENAI_API_KEY": "k"}, "openai"),
        ("a", {}, {"GOOGLE_API_KEY": "k"}, "gemini"),
        # The agent supports no models of these providers.
        ("a", {}, {"OPENAI_API_KEY": "k", "GROQ_API_KEY": "k"}, "openai"),
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


def test_a_default_model_of_another_provider_is_no_model() -> None:
    [(line, message, _)] = told(nodes_of("a [llm_provider=anthropic]"), model="gpt-5")
    assert (line, message) == (
        2,
        "node a: missing llm_model: no model of anthropic is chosen",
    )


def test_a_model_that_gives_no_provider_away_needs_one() -> None:
    [(line, message, remedy)] = told(nodes_of("", "a [llm_model=mine]"))
    words = "missing llm_provider: no provider of the model 'mine' is known"
    assert (line, message) == (3, f"node a: {words}")
    assert "llm_provider" in remedy
    assert "--provider" in remedy


def test_an_unknown_provider_brings_the_one_that_was_meant() -> None:
    assert told(nodes_of("a [llm_model=x, llm_provider=opnai]")) == [
        (2, "node a: llm_provider=opnai: unknown provider 'opnai'", "did you mean openai?")
    ]


def test_a_provider_for_which_agents_have_no_profile_is_no_unknown_one() -> None:
    [(_, message, remedy)] = told(nodes_of("a [llm_model=x, llm_provider=groq]"))
    words = "the backend agent does not support models of 'groq'"
    assert message == f"node a: llm_provider=groq: {words}"
    assert remedy.startswith("use a model of one of: anthropic, ")


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": " "}])
def test_a_provider_without_its_key_brings_the_variable(environ: dict[str, str]) -> None:
    words = "missing API key of the provider 'openai'"
    assert told(nodes_of('a [llm_model="gpt-5"]'), environ) == [
        (2, f"node a: llm_model=gpt-5: {words}", "set OPENAI_API_KEY")
    ]


def test_nodes_that_get_their_provider_from_one_place_are_told_together() -> None:
    nodes = nodes_of('llm_model="claude-1"', *"abcdefg", 'own [llm_model="gpt-5"]')
    [whole, own] = told(nodes, {})
    assert whole[:2] == (
        2,
        "nodes a, b, c, d, e and 2 more: llm_model=claude-1: "
        "missing API key of the provider 'anthropic'",
    )
    assert own[0] == 10
    [one] = told(nodes_of("a", "b"), {}, model="gpt-5")
    assert one[1].startswith("nodes a, b: --model, --provider or [llm]: missing API key of")
    [one] = told(nodes_of("a", "b"), model="mine", provider="opnai")
    assert one == (2, "nodes a, b: --model, --provider or [llm]: unknown provider 'opnai'", one[2])


def test_all_faults_are_found_at_once() -> None:
    nodes = nodes_of("a", "b [llm_model=x, llm_provider=opnai]", 'c [llm_model="gpt-5"]')
    assert [one.node for one in faults(nodes, {})] == ["a", "b", "c"]


# Fit to be a key, and to be an address.
SET = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(("provider", "variable"), [(p, v) for p, vs in KEYS.items() for v in vs])
def test_a_providers_own_word_is_the_tables(provider: str, variable: str) -> None:
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


@pytest.mark.parametrize(
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
def test_a_provider_that_another_serves_has_a_key_too(
    provider: str, environ: dict[str, str], remedy: str
) -> None:
    assert is_provider(provider)
    assert key_remedy(provider) == remedy
    assert asyncio.run(has_key(provider, environ))
    assert not asyncio.run(has_key(provider, {}))
    assert not asyncio.run(has_key(provider, {"MISTRAL_API_KEY": "k"}))


def test_whose_name_nobody_knows_is_no_provider() -> None:
    assert is_provider("openai")
    assert is_provider("litellm")
    assert not is_provider("nobody")
    assert not is_provider("")


def test_the_look_loads_no_provider() -> None:
    code = (
        "import asyncio, sys; from attractor.backends.models import find_model_faults;"
        "from attractor.backends.models import ModelDefaults;"
        "from attractor.language.graph.graph import Node;"
        "told = asyncio.run(find_model_faults([Node('a')], ModelDefaults('gpt-5'), {}));"
        "assert len(told) == 1, told;"
        "loaded = {'httpx', 'attractor.llm.providers.openai'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")


CHOICE = ModelChoice("openai", "gpt-x")
LONG = PriceTier(1_000, Prices(input=20.0, output=20.0))
PRICED = ModelInfo(
    id="gpt-x",
    provider="openai",
    display_name="X",
    input_cost_per_million=10.0,
    output_cost_per_million=10.0,
    price_tiers=(LONG,),
)
UNPRICED = ModelInfo(id="gpt-x", provider="openai", display_name="X")


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.emit = EventEmitter("s", SystemClock(), self.events.append)

    @property
    def warnings(self) -> Sequence[str]:
        assert all(one.kind is EventKind.WARNING for one in self.events)
        return [str(one.data["message"]) for one in self.events]


def knowing(model: ModelInfo | None) -> Pricing:
    return Pricing(lambda model_id, provider: model)


def test_calls_are_priced_one_by_one_and_added_up() -> None:
    listener = Listener()
    meter = Meter(knowing(PRICED), CHOICE, listener.emit)
    # Each is short; both together would be long.
    assert meter.take(Used(900, 100)) == Usage(900, 100, 0.01)
    meter.take(Used(900, 100))
    assert meter.total == Usage(1_800, 200, 0.02)
    meter.take(Used(1_100, 0))
    assert meter.total == Usage(2_900, 200, 0.01 + 0.01 + 0.022)
    assert listener.warnings == []


def test_a_model_that_is_not_known_is_told_once_for_all_stages() -> None:
    pricing, first, second = knowing(None), Listener(), Listener()
    for listener in (first, second):
        meter = Meter(pricing, CHOICE, listener.emit)
        meter.take(Used(900, 100))
        assert meter.take(Used(900, 100)) == Usage(900, 100, 0.0)
    [told] = first.warnings
    assert told.startswith("the catalogue does not contain the model gpt-x of openai")
    assert "its cost counts as 0" in told
    assert second.warnings == []
    pricing.price(Used(1, 1), ModelChoice("openai", "gpt-y"), second.emit)
    assert len(second.warnings) == 1


def test_a_model_without_a_price_is_told() -> None:
    listener = Listener()
    assert knowing(UNPRICED).price(Used(9, 1), CHOICE, listener.emit) == Usage(9, 1)
    [told] = listener.warnings
    assert told.startswith("the catalogue has no price for the model gpt-x of openai")


def test_a_catalogue_that_cannot_be_read_stops_no_stage_and_is_told_once() -> None:
    def fail(model_id: str, provider: str) -> ModelInfo | None:
        raise ConfigurationError("the table is damaged", hint="install it anew")

    pricing, listener = Pricing(fail), Listener()
    assert pricing.price(Used(9, 1), CHOICE, listener.emit) == Usage(9, 1)
    pricing.price(Used(9, 1), ModelChoice("openai", "gpt-y"), listener.emit)
    assert listener.warnings == ["model prices are unknown: the table is damaged; install it anew"]


def test_the_shipped_catalogue_has_the_prices() -> None:
    listener = Listener()
    usage = Pricing().price(Used(900, 100), ModelChoice("openai", "gpt-5.2"), listener.emit)
    assert usage.cost_usd > 0
    assert listener.warnings == []


@pytest.mark.parametrize(
    ("provider", "model", "cost"),
    [
        ("", "", 0.01),
        ("openai", "gpt-x", 0.01),
        # Under which name the provider serves it is not known.
        ("openai", "gpt-x-2026-01-01", 0.01),
        ("openai", "gpt-cheap", 0.001),
        ("anthropic", "claude-cheap", 0.001),
        ("anthropic", "gpt-x", 0.0),
    ],
)
def test_a_call_is_priced_by_who_answered_it(provider: str, model: str, cost: float) -> None:
    cheap = replace(PRICED, input_cost_per_million=1.0, output_cost_per_million=1.0)
    known = {
        ("gpt-x", "openai"): PRICED,
        ("gpt-cheap", "openai"): cheap,
        ("claude-cheap", "anthropic"): cheap,
    }
    pricing = Pricing(lambda model_id, of: known.get((model_id, of)))
    meter = Meter(pricing, CHOICE, Listener().emit)
    assert meter.take(Used(900, 100), provider, model).cost_usd == cost


@pytest.mark.parametrize(("provider", "prompt"), [("openai", 900), ("anthropic", 1_000)])
def test_what_came_from_a_cache_is_part_of_the_prompt(provider: str, prompt: int) -> None:
    meter = Meter(knowing(None), ModelChoice(provider, "any"), Listener().emit)
    used = Used(900, 100, cache_read_tokens=60, cache_write_tokens=40)
    assert meter.take(used).input_tokens == prompt
