import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from attractor.agent.definitions import AgentDefinition, AgentSettings
from attractor.agent.prompts import Prompt
from attractor.backends.model_faults import find_model_faults
from attractor.backends.models import ModelDefaults, newest_model
from attractor.backends.provider_needs import WITHOUT_KEY
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node
from tests.backends.test_models import BOTH, nodes_of
from tests.tables import table


def faults(
    nodes: list[Node],
    environ: Mapping[str, str] = BOTH,
    *,
    model: str = "",
    provider: str = "",
) -> list[Diagnostic]:
    return asyncio.run(find_model_faults(nodes, ModelDefaults(model, provider), environ))


def fault_lines(*args: object, **more: object) -> list[tuple[int, str, str]]:
    return [(one.span.line, one.message, one.fix) for one in faults(*args, **more)]  # pyright: ignore[reportArgumentType]


def test_nodes_whose_model_and_key_are_there_have_no_fault() -> None:
    nodes = nodes_of("a [llm_model=x, llm_provider=openai]", 'b [llm_model="claude-1"]', "c")
    assert faults(nodes, model="gpt-5") == []
    assert faults([]) == []


def test_missing_model_is_reported_once_with_two_suggestions() -> None:
    words = "missing llm_model: no model is chosen"
    either = [f"--model {newest_model(one)}" for one in ("anthropic", "openai")]
    hint = (
        f"pass {' or '.join(either)}, or set llm_model in the pipeline or llm.model in "
        "attractor.toml; 'attractor models' lists models"
    )
    assert fault_lines(nodes_of("a", "b")) == [(2, f"nodes a, b: {words}", hint)]
    [(_, _, without_key)] = fault_lines(nodes_of("a", "b"), {})
    native = "ANTHROPIC_API_KEY or GEMINI_API_KEY or OPENAI_API_KEY"
    keys = f"set {native} or OPENAI_COMPATIBLE_BASE_URL\nto choose a model, "
    assert without_key.startswith(f"{keys}pass {either[0]} or --model gemini-")
    [(_, _, of_one)] = fault_lines(nodes_of("a [llm_provider=anthropic]"), model="gpt-5")
    assert of_one.startswith(f"pass {either[0]} or --model claude-")


REVIEWER = AgentSettings(model="claude-opus-4-6")


def test_fault_of_an_agents_model_names_the_agent() -> None:
    agents = {"one": AgentDefinition("one", REVIEWER, Prompt(Path(), ""))}
    defaults = ModelDefaults(agents=agents)
    [fault] = asyncio.run(find_model_faults(nodes_of("a [agent=one]"), defaults, {}))
    words = "missing API key of the provider 'anthropic'"
    assert (fault.message, fault.fix) == (
        f"node a: agent=one: {words}",
        f"set ANTHROPIC_API_KEY\n{WITHOUT_KEY}",
    )


def test_default_model_of_another_provider_is_not_used() -> None:
    [(line, message, _)] = fault_lines(nodes_of("a [llm_provider=anthropic]"), model="gpt-5")
    assert (line, message) == (
        2,
        "node a: missing llm_model: no model of anthropic is chosen",
    )


def test_model_of_unknown_provider_needs_a_provider() -> None:
    [(line, message, remedy)] = fault_lines(nodes_of("", "a [llm_model=mine]"))
    words = "missing llm_provider: no provider of the model 'mine' is known"
    assert (line, message) == (3, f"node a: {words}")
    assert "llm_provider" in remedy
    assert "--provider" in remedy


def test_unknown_provider_suggests_a_known_one() -> None:
    assert fault_lines(nodes_of("a [llm_model=x, llm_provider=opnai]")) == [
        (2, "node a: llm_provider=opnai: unknown provider 'opnai'", "did you mean openai?")
    ]


def test_provider_without_an_adapter_of_its_own_needs_its_variables_and_a_model() -> None:
    [(_, message, remedy)] = fault_lines(nodes_of("a [llm_model=x, llm_provider=groq]"))
    words = "missing GROQ_API_KEY of the provider 'groq'"
    assert (message, remedy) == (f"node a: llm_provider=groq: {words}", "set GROQ_API_KEY")
    set_up = {"GROQ_API_KEY": "k"}
    assert fault_lines(nodes_of('a [llm_model="groq/x"]'), set_up) == []
    [(_, message, remedy)] = fault_lines(nodes_of("a [llm_provider=groq]"), set_up)
    assert message == "node a: missing llm_model: no model of groq is chosen"
    assert remedy.startswith("pass --model groq/")


def test_hint_for_a_local_server_names_its_provider() -> None:
    environ = {"OPENAI_COMPATIBLE_BASE_URL": "http://x"}
    [(_, _, remedy)] = fault_lines(nodes_of("a"), environ)
    assert remedy.startswith("pass --provider openai_compatible --model NAME, or set llm_model")
    assert fault_lines(nodes_of("a [llm_provider=openai_compatible, llm_model=x]"), environ) == []


@table("environ", [{}, {"OPENAI_API_KEY": " "}])
def test_missing_key_names_the_variable(environ: dict[str, str]) -> None:
    words = "missing API key of the provider 'openai'"
    assert fault_lines(nodes_of('a [llm_model="gpt-5"]'), environ) == [
        (2, f"node a: llm_model=gpt-5: {words}", f"set OPENAI_API_KEY\n{WITHOUT_KEY}")
    ]


def test_nodes_with_the_same_source_of_a_provider_share_a_fault() -> None:
    nodes = nodes_of('llm_model="claude-1"', *"abcdefg", 'own [llm_model="gpt-5"]')
    [whole, own] = fault_lines(nodes, {})
    assert whole[:2] == (
        2,
        "nodes a, b, c, d, e and 2 more: llm_model=claude-1: "
        "missing API key of the provider 'anthropic'",
    )
    assert own[0] == 10
    [one] = fault_lines(nodes_of("a", "b"), {}, model="gpt-5")
    assert one[1].startswith("nodes a, b: --model, --provider or [llm]: missing API key of")
    [one] = fault_lines(nodes_of("a", "b"), model="mine", provider="opnai")
    assert one == (2, "nodes a, b: --model, --provider or [llm]: unknown provider 'opnai'", one[2])


def test_all_faults_are_found_at_once() -> None:
    nodes = nodes_of("a", "b [llm_model=x, llm_provider=opnai]", 'c [llm_model="gpt-5"]')
    assert [one.node for one in faults(nodes, {})] == ["a", "b", "c"]


def test_check_of_models_imports_no_provider() -> None:
    code = (
        "import asyncio, sys; from attractor.backends.model_faults import find_model_faults;"
        "from attractor.backends.models import ModelDefaults;"
        "from attractor.language.graph.graph import Node;"
        "found = asyncio.run(find_model_faults([Node('a')], ModelDefaults('gpt-5'), {}));"
        "assert len(found) == 1, found;"
        "loaded = {'httpx', 'attractor.llm.providers.openai'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
