"""Ruling R14: backends of nodes; an unknown backend is refused."""

from pathlib import Path

import pytest

from attractor import parse, run_pipeline_sync
from attractor.language.diagnostics import NotRunnable
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, model_requests, says, use, uses
from tests.spec.runs import ScriptedBackend, between, environ_for, events, project_in, run
from tests.tables import table

TWO = between(
    'one [prompt="Do one", backend=simulate]',
    'two [prompt="Do two"]',
    "start -> one -> two -> exit",
)
REPORT = uses(use("report_outcome", {"outcome": "success", "notes": "done"}))
RULES = (Rule(when=When(step=0), answer=REPORT), Rule(when=When(step=1), answer=says("Well.")))


def test_R14_node_runs_on_its_named_backend(tmp_path: Path) -> None:
    with in_background(ProviderTwin(Script(rules=RULES))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, TWO, backend="agent", model=MODELS["openai"], environ=environ)
        assert len(model_requests(twin)) == 2
    assert "[Simulated]" in (result.directory / "one" / "response.md").read_text()
    assert (result.directory / "two" / "response.md").read_text() == "Well."


def test_R14_only_agent_nodes_require_a_model(tmp_path: Path) -> None:
    both = TWO.replace('"Do two"', '"Do two", backend=simulate')
    assert run(tmp_path, both, backend="agent").completed == ("start", "one", "two")
    with pytest.raises(NotRunnable, match="node two: missing llm_model") as refused:
        run(tmp_path, TWO, backend="agent")
    assert "node one" not in str(refused.value)


def test_R14_simulated_run_simulates_every_node(tmp_path: Path) -> None:
    asks = TWO.replace("backend=simulate", "backend=agent, agent=coder")
    assert run(tmp_path, asks, backend="simulate").completed == ("start", "one", "two")


def test_R14_node_may_override_a_custom_backend(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    result = run(tmp_path, TWO, backend=backend)
    assert (backend.calls, result.completed) == (["two"], ("start", "one", "two"))


@table(
    ("named", "words"),
    [
        ("backend=simulat", "node one: backend=simulat: unknown backend 'simulat'"),
        ("agent=codr", "node one: agent=codr: unknown agent 'codr'"),
    ],
)
def test_R14_unusable_backends_are_refused(tmp_path: Path, named: str, words: str) -> None:
    text = TWO.replace("backend=simulate", named).replace('"Do two"', '"Do two", backend=simulate')
    with pytest.raises(NotRunnable, match=words):
        run(tmp_path, text, backend="agent", model=MODELS["openai"])


def test_R14_thread_across_backends_gets_a_summary(tmp_path: Path) -> None:
    text = TWO.replace("start [", "default_fidelity=full; thread_id=main; start [")
    with in_background(ProviderTwin(Script(rules=RULES))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, text, backend="agent", model=MODELS["openai"], environ=environ)
        asked = str(model_requests(twin)[0].body)
    assert "- one (success)" in asked
    [warned] = events(result, "WARNING")
    assert "a summary replaces it" in str(warned.data["message"])


def test_R14_a_stylesheet_or_the_settings_choose_the_backend(tmp_path: Path) -> None:
    by_sheet = between(
        'model_stylesheet=".code { backend: simulate }"',
        'one [prompt="Do one", class=code]',
        "start -> one -> exit",
    )
    result = run(tmp_path, by_sheet, backend="agent")
    assert "[Simulated]" in (result.directory / "one" / "response.md").read_text()
    (project_in(tmp_path) / "attractor.toml").write_text('[backends]\ndefault = "simulate"\n')
    environ = {**environ_for(tmp_path), "ATTRACTOR_RUNS_DIR": str(tmp_path / "runs")}
    text = parse(between('one [prompt="Do one"]', "start -> one -> exit"))
    by_setting = run_pipeline_sync(
        text, project=project_in(tmp_path), environ=environ, sandbox="none", workspace="none"
    )
    assert "[Simulated]" in (by_setting.directory / "one" / "response.md").read_text()
