"""Definition of Done 11.12: the rows of the parity matrix that execute."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from attractor import Context, Graph, Node, Outcome, StageStatus, failure, success
from attractor.engine.outcome import FailureClass
from attractor.language.preparation.prepare import prepare
from tests.spec.runs import Person, ScriptedBackend, between, events, record, resume, run
from tests.tables import table

FAIL = failure("broken", FailureClass.VERDICT)
BRANCH = between(
    'work [prompt="Work"]',
    'good [prompt="Good"]',
    'bad  [prompt="Bad"]',
    "start -> work",
    'work -> good [condition="outcome=success"]',
    'work -> bad  [condition="outcome=fail"]',
    "good -> exit",
    "bad -> exit",
)
GATE = between(
    'gate [prompt="Judge", goal_gate=true]',
    "start -> gate",
    'gate -> exit [condition="outcome=success"]',
    'gate -> exit [condition="outcome=fail"]',
)


def test_11_12_execute_a_linear_3_node_pipeline_end_to_end(tmp_path: Path) -> None:
    result = run(tmp_path, between('work [prompt="Work"]', "start -> work -> exit"))
    assert (result.outcome, result.completed) == (StageStatus.SUCCESS, ("start", "work"))
    assert record(result, "checkpoint.json")["current_node"] == "exit"


@table(("said", "way"), [(success(), "good"), (FAIL, "bad")])
def test_11_12_execute_with_conditional_branching(tmp_path: Path, said: Outcome, way: str) -> None:
    result = run(tmp_path, BRANCH, backend=ScriptedBackend(work=[said]))
    assert result.completed == ("start", "work", way)


def test_11_12_execute_with_retry_on_failure(tmp_path: Path) -> None:
    text = between(
        'work [prompt="Work", max_retries=2, retry_policy="none"]', "start -> work -> exit"
    )
    flaky = ScriptedBackend(work=[failure("hiccup"), failure("hiccup"), success()])
    assert run(tmp_path, text, backend=flaky).outcome is StageStatus.SUCCESS
    assert flaky.calls == ["work"] * 3
    broken = ScriptedBackend(work=[failure("hiccup")])
    assert run(tmp_path, text, backend=broken).outcome is StageStatus.FAIL
    assert broken.calls == ["work"] * 3


def test_11_12_a_goal_gate_blocks_the_exit_when_unsatisfied(tmp_path: Path) -> None:
    result = run(tmp_path, GATE, backend=ScriptedBackend(gate=[FAIL]))
    assert result.outcome is StageStatus.FAIL
    assert "gate" in result.reason


def test_11_12_a_goal_gate_allows_the_exit_when_all_are_satisfied(tmp_path: Path) -> None:
    assert run(tmp_path, GATE, backend=ScriptedBackend()).outcome is StageStatus.SUCCESS


def test_11_12_wait_human_presents_choices_and_routes_on_selection(tmp_path: Path) -> None:
    text = between(
        'ask [shape=hexagon, label="Ship?"]',
        'fix [prompt="Fix"]',
        "start -> ask",
        'ask -> exit [label="[Y] Yes"]',
        'ask -> fix  [label="[N] No"]',
        "fix -> exit",
    )
    person = Person("N")
    result = run(tmp_path, text, interviewer=person)
    assert [one.label for one in person.asked[0].options] == ["[Y] Yes", "[N] No"]
    assert result.completed == ("start", "ask", "fix")


@table(
    ("row", "b", "c", "way"),
    [
        ("condition wins over weight", 'condition="outcome=success"', "weight=9", "b"),
        ("weight breaks ties", "weight=1", "weight=2", "c"),
        ("lexical order comes last", "", "", "b"),
    ],
)
def test_11_12_edge_selection(tmp_path: Path, row: str, b: str, c: str, way: str) -> None:
    lines = ['a [prompt="A"]', 'b [prompt="B"]', 'c [prompt="C"]', "start -> a"]
    ways = [f"a -> c [{c}]", f"a -> b [{b}]", "b -> exit", "c -> exit"]
    assert run(tmp_path, between(*lines, *ways)).completed == ("start", "a", way), row


def test_11_12_context_updates_from_one_node_are_visible_to_the_next(tmp_path: Path) -> None:
    seen: list[object] = []

    def model(node: Node, prompt: str, context: Context) -> str | Outcome:
        seen.append(context.get("color"))
        return success(color="red")

    run(
        tmp_path,
        between('a [prompt="A"]', 'b [prompt="B"]', "start -> a -> b -> exit"),
        backend=model,
    )
    assert seen == [None, "red"]


class Interrupted(ScriptedBackend):
    """Is interrupted by Ctrl-C at the first visit of `b`."""

    def run(self, node: Node, prompt: str, context: Context) -> str | Outcome:
        said = super().run(node, prompt, context)
        if self.calls == ["a", "b"]:
            signal.raise_signal(signal.SIGINT)
        return said


def test_11_12_checkpoint_save_and_resume_produces_the_same_result(tmp_path: Path) -> None:
    nodes = [f'{name} [prompt="{name}"]' for name in "abc"]
    text = between(*nodes, "start -> a -> b -> c -> exit")
    whole = run(tmp_path, text, backend=ScriptedBackend())
    backend = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, text, backend=backend)
    resumed = resume(tmp_path, backend=backend)
    assert resumed.run_id != whole.run_id
    assert (resumed.outcome, resumed.completed) == (whole.outcome, whole.completed)
    assert resumed.context == whole.context
    # Only the stage in flight was repeated.
    assert backend.calls == ["a", "b", "b", "c"]


def test_11_12_a_stylesheet_overrides_the_model_of_nodes_by_shape(tmp_path: Path) -> None:
    models: dict[str, str] = {}

    def model(node: Node, prompt: str, context: Context) -> str:
        models[node.id] = node.attributes.text("llm_model")
        return "done"

    text = between(
        'graph [model_stylesheet="* { llm_model: small; } box { llm_model: large; }"]',
        'a [prompt="A"]',
        'b [prompt="B", shape=ellipse, type=codergen]',
        'c [prompt="C", llm_model=own]',
        "start -> a -> b -> c -> exit",
    )
    assert run(tmp_path, text, backend=model).outcome is StageStatus.SUCCESS
    assert models == {"a": "large", "b": "small", "c": "own"}


def test_11_12_prompt_variable_expansion_works(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    text = between('goal="a poem"', 'a [prompt="Write $goal."]', "start -> a -> exit")
    run(tmp_path, text, backend=backend)
    assert backend.prompts == ["Write a poem."]


def test_11_12_parallel_fan_out_and_fan_in_complete_correctly(tmp_path: Path) -> None:
    text = between(
        "fan [shape=component]",
        "join [shape=tripleoctagon]",
        *(f'{name} [prompt="{name}"]' for name in "abc"),
        "start -> fan",
        *(f"fan -> {name} -> join" for name in "abc"),
        "join -> exit",
    )
    backend = ScriptedBackend(b=[FAIL])
    result = run(tmp_path, text, backend=backend)
    assert result.outcome is StageStatus.SUCCESS
    assert sorted(backend.calls) == ["a", "b", "c"]
    assert result.completed[-2:] == ("fan", "join")
    assert result.context["parallel.fan_in.best_id"] == "a"
    ended = events(result, "ParallelBranchCompleted")
    assert Counter(one.data["success"] for one in ended) == {True: 2, False: 1}


class Double:
    """Doubles a number of the context."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        before = context.get("number", 1)
        assert isinstance(before, int)
        return success(number=2 * before)


def test_11_12_custom_handler_registration_and_execution_works(tmp_path: Path) -> None:
    text = between("a [type=double]", "b [type=double]", "start -> a -> b -> exit")
    result = run(tmp_path, text, handlers={"double": Double()})
    assert (result.outcome, result.context["number"]) == (StageStatus.SUCCESS, 4)


def test_11_12_a_pipeline_with_more_than_ten_nodes_completes(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(20)]
    nodes = [f'{name} [prompt="Work"]' for name in names]
    text = between(*nodes, f"start -> {' -> '.join(names)} -> exit")
    assert prepare(text).diagnostics == ()
    assert run(tmp_path, text).completed == ("start", *names)
