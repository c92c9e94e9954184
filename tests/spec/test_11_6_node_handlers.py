"""attractor-spec 11.6, the part that depends on one handler only."""

import asyncio
from pathlib import Path

from attractor.engine.context import Context
from attractor.engine.outcome import Outcome, StageStatus, failure, success
from attractor.engine.seams import Stage
from attractor.environments.local import LocalExecutionEnvironment
from attractor.handlers.registry import handler_registry
from attractor.language.graph.graph import Graph, Node
from tests.engine.forked import forked
from tests.engine.runs import run_graph
from tests.handlers.stages import Person, Play, Saying, edge, edge_if, graph, node
from tests.packages import Places
from tests.patience import until
from tests.spec.runs import between, run

SUCCEEDED = Outcome(StageStatus.SUCCESS)


def test_11_6_start_returns_success_at_once() -> None:
    play = Play(graph(node("start", shape="Mdiamond"), edge("start", "plan")), "start")
    assert play.run() == SUCCEEDED
    assert (play.files.texts, play.events.all) == ({}, [])


def test_11_6_exit_returns_success_at_once_and_leaves_goal_gates_to_the_engine() -> None:
    unmet = node("build", goal_gate=True)
    play = Play(graph(unmet, node("done", shape="Msquare"), edge("build", "done")), "done")
    assert play.run() == SUCCEEDED
    assert (play.files.texts, play.events.all) == ({}, [])


def test_11_6_codergen_expands_goal_calls_the_backend_and_writes_prompt_and_response() -> None:
    backend = Saying("print('hello')")
    pipeline = graph(node("plan", shape="box", prompt="Plan: $goal"), goal="a hello world script")
    play = Play(pipeline, "plan", backend=backend)
    assert play.run().status is StageStatus.SUCCESS
    assert backend.prompts == ["Plan: a hello world script"]
    assert play.files.texts == {
        "prompt.md": "Plan: a hello world script",
        "response.md": "print('hello')",
    }


def test_11_6_codergen_returns_the_outcome_of_the_backend() -> None:
    red = failure("no")
    assert Play(graph(node("plan")), "plan", backend=Saying(red)).run() is red


def test_11_6_codergen_without_a_model_simulates() -> None:
    play = Play(graph(node("plan")), "plan")
    outcome = play.run()
    assert outcome.status is StageStatus.SUCCESS
    assert outcome.context_updates == {
        "last_stage": "plan",
        "last_response": "[Simulated] Response for stage: plan",
    }


def test_11_6_wait_human_offers_edge_labels_and_returns_the_selected_one() -> None:
    person = Person(["N"])
    pipeline = graph(
        node("gate", shape="hexagon"),
        edge("gate", "ship", label="[Y] Yes"),
        edge("gate", "fix", label="[N] No"),
    )
    outcome = Play(pipeline, "gate", interviewer=person).run()
    assert [option.label for option in person.questions[0].options] == ["[Y] Yes", "[N] No"]
    assert outcome.preferred_label == "[N] No"


def test_11_6_conditional_passes_through_without_a_preference() -> None:
    pipeline = graph(
        node("fork", shape="diamond"),
        edge_if("fork", "ship", "outcome", "success", label="Yes"),
        edge_if("fork", "fix", "outcome", "fail", label="No"),
    )
    outcome = Play(pipeline, "fork").run()
    assert outcome == Outcome(StageStatus.SUCCESS, notes="Conditional node evaluated: fork")


def test_11_6_tool_executes_its_command_and_returns_the_result(tmp_path: Path) -> None:
    environment = LocalExecutionEnvironment(tmp_path, environ={"PATH": "/usr/bin:/bin"})
    command = "echo done > made; echo out; echo careful >&2"
    pipeline = graph(node("check", shape="parallelogram", tool_command=command))
    play = Play(pipeline, "check", environment=environment)
    outcome = play.run()
    assert outcome.status is StageStatus.SUCCESS
    assert outcome.context_updates == {"tool.output": "out\n"}
    assert play.files.texts == {
        "stdout.txt": "out\n",
        "stderr.txt": "careful\n",
        "output.txt": "out\ncareful\n",
    }
    assert (tmp_path / "made").read_text() == "done\n"


def test_11_6_tool_that_fails_or_takes_too_long_is_fail(tmp_path: Path) -> None:
    environment = LocalExecutionEnvironment(tmp_path, environ={"PATH": "/usr/bin:/bin"})

    def run(command: str) -> Outcome:
        pipeline = graph(node("check", type="tool", tool_command=command, timeout="200ms"))
        return Play(pipeline, "check", environment=environment).run()

    assert run("exit 3").failure_reason == "tool_command ended with exit code 3"
    assert run("sleep 1000").failure_reason == "tool_command exceeded its time limit of 200ms"


def test_11_6_parallel_fans_out_to_multiple_target_nodes_concurrently(tmp_path: Path) -> None:
    at_work: list[str] = []

    async def meet(stage: Stage) -> Outcome:
        at_work.append(stage.node.id)
        # Each continues when all of them are running.
        await until(lambda: len(at_work) == 3)
        return success()

    result, _ = run_graph(tmp_path, forked("a", "b", "c"), dict.fromkeys("abc", meet))
    assert result.outcome is StageStatus.SUCCESS
    assert sorted(at_work) == ["a", "b", "c"]


def test_11_6_fan_in_waits_for_all_branches_to_complete_before_proceeding(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, forked("a a2 a3", "b"), {"b": failure("no")})
    steps = [one.data["node_id"] for one in place.events("CheckpointSaved") if one.node]
    assert steps[0] == "start"
    assert set(map(str, steps[1:5])) == {"a", "a2", "a3", "b"}
    assert steps[5:] == ["fan", "join"]
    [fan_in] = [one for one in place.events("StageStarted") if one.node == "join"]
    assert all(one.seq < fan_in.seq for one in place.events("ParallelBranchCompleted"))
    with place.open() as run:
        assert run.progress.context["parallel.fan_in.best_id"] == "a"


def test_11_6_a_custom_handler_is_registered_by_type_string(places: Places) -> None:
    package = places.package(
        shout='''"""Shouts."""
from attractor.engine.outcome import Outcome, success
class Shout:
    """Shouts the label."""
    def __init__(self, parts): pass
    async def execute(self, stage): return success(stage.node.label.upper())
part = Shout
'''
    )
    entry = f"[attractor.handlers]\nmy_custom_type = {package}.shout\n"
    places.distribution("shouting", entry)
    assert "my_custom_type" in list(handler_registry())
    pipeline = graph(node("it", type="my_custom_type", label="hello"))
    assert asyncio.run(Play(pipeline, "it").execute()).notes == "HELLO"


class MyCustomHandler:
    """The example of attractor-spec 4.12."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        context.set("custom", node.attributes.text("custom_attr"))
        return Outcome(status=StageStatus.SUCCESS)


def test_11_6_custom_handlers_are_registered_by_type(tmp_path: Path) -> None:
    node_ = 'my_node [type="my_custom_type", shape=box, custom_attr="value"]'
    text = between(node_, "start -> my_node -> exit")
    result = run(tmp_path, text, handlers={"my_custom_type": MyCustomHandler()})
    assert (result.outcome, result.context["custom"]) == (StageStatus.SUCCESS, "value")


def test_11_6_a_handler_for_a_type_that_has_one_replaces_it(tmp_path: Path) -> None:
    text = between("a [prompt=x, custom_attr=own]", "start -> a -> exit")
    result = run(tmp_path, text, handlers={"codergen": MyCustomHandler()})
    assert result.context["custom"] == "own"


class Raising:
    """A handler with a bug."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        raise ZeroDivisionError("a defect")


def test_11_6_exception_of_a_custom_handler_is_a_failure(tmp_path: Path) -> None:
    text = between("a [type=raising]", "start -> a -> exit")
    result = run(tmp_path, text, handlers={"raising": Raising()})
    assert result.outcome is StageStatus.FAIL
    assert "a defect" in result.reason
