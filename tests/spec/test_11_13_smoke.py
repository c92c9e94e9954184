"""Definition of Done 11.13: the integration smoke test, with each backend."""

from pathlib import Path

from attractor import RunResult, StageStatus, failure, parse
from attractor.engine.outcome import FailureClass
from attractor.language.linting.validate import validate
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, WIRES, model_requests, says, use, uses
from tests.language.pipelines import SMOKE
from tests.spec.runs import ScriptedBackend, environ_for, record, run
from tests.tables import table

STAGES = ("plan", "implement", "review")
GOAL = "Create a hello world Python script"


def require_smoke(result: RunResult) -> None:
    """Require the results that the specification asserts."""
    assert result.outcome is StageStatus.SUCCESS
    assert "implement" in result.completed
    for stage in STAGES:
        for name in ("prompt.md", "response.md", "status.json"):
            assert (result.directory / stage / name).read_text().strip(), (stage, name)
        assert record(result, f"{stage}/status.json")["outcome"] == "success"
    assert GOAL in (result.directory / "plan" / "prompt.md").read_text()
    checkpoint = record(result, "checkpoint.json")
    # The exit: its id in the specification's text is `done`.
    assert checkpoint["current_node"] == "done"
    assert checkpoint["completed_nodes"] == ["start", *STAGES]


def test_11_13_the_text_parses_and_validates() -> None:
    graph = parse(SMOKE)
    assert (graph.goal, len(graph.nodes), len(graph.edges)) == (GOAL, 5, 6)
    assert not [one for one in validate(graph) if one.is_error]


def test_11_13_with_the_simulated_backend(tmp_path: Path) -> None:
    require_smoke(run(tmp_path, SMOKE, backend="simulate"))


def test_11_13_with_a_callback(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    require_smoke(run(tmp_path, SMOKE, backend=backend))
    assert backend.calls == [*STAGES]


def test_11_13_a_gate_that_is_not_satisfied_is_tried_again(tmp_path: Path) -> None:
    no = failure("a typo", FailureClass.VERDICT)
    backend = ScriptedBackend(implement=[no, "done"], review=[no, "fine"])
    result = run(tmp_path, SMOKE, backend=backend)
    ways = ["plan", "implement", "plan", "implement", "review", "implement", "review"]
    assert backend.calls == ways
    assert (result.outcome, result.completed) == (StageStatus.SUCCESS, ("start", *ways))


@table("wire", WIRES)
def test_11_13_with_the_agent(tmp_path: Path, wire: str) -> None:
    report = uses(use("report_outcome", {"outcome": "success", "notes": "It is done."}))
    rules = (Rule(when=When(step=0), answer=report), Rule(when=When(step=1), answer=says("Done.")))
    with in_background(ProviderTwin(Script(rules=rules))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, SMOKE, backend="agent", model=MODELS[wire], environ=environ)
        assert len(model_requests(twin)) == 2 * len(STAGES)
    require_smoke(result)
    assert result.usage.input_tokens > 0
