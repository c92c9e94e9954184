"""Preambles and threads of stages in a run."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.prompts.inherited_context import (
    ModelTask,
    StageArrival,
    StageFidelity,
    Threads,
    is_conversation_turn,
    model_task,
    resolve,
    subgraph_classes,
)
from attractor.engine.seams import Stage
from attractor.engine.storage.secrets import Redactor
from attractor.handlers.registry import handler_registry
from attractor.language import prepare
from attractor.language.graph.graph import Fidelity
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, line, node, node as drawn, start
from tests.engine.runs import FAIL, RETRY, Workplace
from tests.engine.speaking import Speakers, place_of
from tests.tables import table

ARRIVAL = StageArrival("before", "going on", "full", "of the edge")


@table(
    ("on_node", "arrival", "on_graph", "around", "thread"),
    [
        ("own", ARRIVAL, "default", "loop", "own"),
        ("", ARRIVAL, "default", "loop", "of the edge"),
        ("", StageArrival("before", "going on", "full"), "default", "loop", "default"),
        ("", StageArrival("before", "going on", "full"), "", "loop", "loop"),
        ("", StageArrival("before", "going on", "full"), "", "", "going on"),
        ("", StageArrival("before", "", "full"), "", "", "before"),
        ("", StageArrival("", "", "full"), "", "", "work"),
    ],
)
def test_first_named_thread_is_used(
    on_node: str, arrival: StageArrival, on_graph: str, around: str, thread: str
) -> None:
    work = node("work", thread_id=on_node)
    drawn = graph([work], [], thread_id=on_graph)
    assert resolve(drawn, work, arrival, {"work": around}) == StageFidelity(Fidelity.FULL, thread)


def test_without_full_fidelity_there_is_no_thread() -> None:
    work = node("work", thread_id="own", fidelity="compact")
    assert resolve(graph([work], []), work, StageArrival("before"), {}) == StageFidelity(
        Fidelity.COMPACT
    )


def test_the_nearest_subgraph_with_a_label_gives_a_thread_its_name() -> None:
    drawn = prepare(
        """digraph G {
            start [shape=Mdiamond]; exit [shape=Msquare]
            subgraph cluster_a {
                label = "Loop A"
                a [prompt=a]
                subgraph { b [prompt=b] }
                subgraph inner { label = "Inner"; c [prompt=c] }
            }
            d [prompt=d]
            start -> a -> b -> c -> d -> exit
        }"""
    ).graph
    assert drawn is not None
    assert subgraph_classes(drawn) == {"a": "loop-a", "b": "loop-a", "c": "inner"}


def test_conversation_is_stored_by_thread_name() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("said")
    assert threads.take("t", [""], visit="b@1").recall() == "said"
    assert threads.take("other", [""], visit="c@1").recall() is None


def test_branch_has_its_own_copy_of_threads() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("before")
    branch = threads.take("t", ["inner", "outer", ""], visit="b@1")
    assert branch.recall() == "before"
    branch.keep("in the branch")
    assert threads.take("t", ["inner", "outer", ""], visit="c@1").recall() == "in the branch"
    assert threads.take("t", [""], visit="d@1").recall() == "before"
    threads.forget("inner")
    assert threads.take("t", ["inner", "outer", ""], visit="e@1").recall() == "before"


def test_attempt_that_starts_over_gets_conversation_of_visit_start() -> None:
    threads = Threads()
    threads.take("t", [""], visit="a@1").keep("a")
    threads.take("t", [""], visit="b@1").keep("a, b went wrong")
    again = threads.take("t", [""], visit="b@1", starts_over=True)
    assert again.recall() == "a"
    again.keep("a, b went wrong again")
    goes_on = threads.take("t", [""], visit="b@1")
    assert goes_on.recall() == "a, b went wrong again"
    assert threads.take("t", [""], visit="c@1", starts_over=True).recall() == goes_on.recall()


def test_least_recently_used_thread_is_dropped_first() -> None:
    threads = Threads(most=2)
    for name in ("one", "two"):
        threads.take(name, [""], visit="a@1").keep(name)
    threads.take("one", [""], visit="b@1")
    threads.take("three", [""], visit="c@1").keep("three")
    held = [threads.take(one, [""], visit="d@1").recall() for one in ("three", "one", "two")]
    assert held == ["three", "one", None]


def test_preamble_omits_secrets_and_engine_keys(tmp_path: Path) -> None:
    speakers = Speakers()

    async def leak(stage: Stage) -> Outcome:
        stage.context.set("found", "the key is hunter2hunter2")
        return Outcome(StageStatus.SUCCESS, notes="used hunter2hunter2")

    drawn = line("one", "two", "three", default_fidelity="summary:high", max_retries=3)
    place = place_of(tmp_path, drawn, speakers, {"one": leak, "two": [RETRY, *[FAIL] * 9]})
    place.redactor = Redactor(["hunter2hunter2"])
    place.graph = graph(
        [start(), end(), node("two", on_failure="continue", max_retries=1)],
        chain("start", "one", "two", "three", "exit"),
        default_fidelity="summary:high",
    )
    place.run()
    found = speakers.of("three").preamble
    assert "the key is ***" in found
    assert "used ***" in found
    assert "- two (fail): broken" in found
    assert "hunter2" not in found
    assert "internal." not in found
    assert "graph." not in found


def test_a_jump_has_no_edge_to_decide(tmp_path: Path) -> None:
    speakers = Speakers()
    drawn = graph(
        [start(), end(), node("work", retry_target="mend")],
        [edge("start", "work", fidelity="full"), edge("work", "exit"), edge("mend", "exit")],
    )
    place_of(tmp_path, drawn, speakers, {"work": FAIL}).run()
    assert speakers.of("mend").fidelity == "compact"


def test_unnamed_thread_continues_past_stages_without_model(tmp_path: Path) -> None:
    speakers = Speakers()
    drawn = graph(
        [start(), end(), node("test", "parallelogram", on_failure="continue")],
        chain("start", "write", "test", "mend", "exit"),
        default_fidelity="full",
    )
    place_of(tmp_path, drawn, speakers, {"test": FAIL}).run()
    mend = speakers.of("mend")
    assert mend.conversation == ("write@1.1",)
    assert mend.preamble == "# Stages since your last turn\n\n- test (fail): broken"


def test_journal_and_checkpoint_do_not_grow_with_preambles(tmp_path: Path) -> None:
    visits = 60
    speakers = Speakers()
    back = edge("work", "work", "context.go!=stop")
    drawn = graph([start(), end(), node("work", max_visits=999)], [*chain("start", "work"), back])
    drawn = graph(
        list(drawn.nodes.values()), [*drawn.edges, edge("work", "exit", "context.go=stop")]
    )

    async def work(stage: Stage) -> Outcome:
        done = await speakers(stage)
        updates = {"go": "stop" if stage.visit == visits else "on", f"k{stage.visit}": "v" * 300}
        return Outcome(done.status, context_updates=updates, notes="n" * 5000)

    place = place_of(tmp_path, drawn, speakers, {"work": work})
    place.run()
    past = place.json("checkpoint.json")["past"]
    assert isinstance(past, dict)
    assert len(str(past)) < 20_000
    assert max(len(one.preamble) for one in speakers.heard) < 6_000


def test_preamble_is_same_after_resume(tmp_path: Path) -> None:
    whole, halved = Speakers(), Speakers()
    drawn = line("one", "two", "three", default_fidelity="summary:high", goal="g")
    place_of(tmp_path / "whole", drawn, whole).run()

    async def die(stage: Stage) -> Outcome:
        raise KeyboardInterrupt

    place = place_of(tmp_path / "halved", drawn, halved, {"three": die})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    again = Workplace(place.root, drawn, {"three": halved})
    again.run()
    assert halved.of("three") == whole.of("three")


@table(
    ("attributes", "asked"),
    [
        ({"prompt": "Do it."}, ModelTask.A_TASK),
        ({"type": "prompt", "prompt": "Say it."}, ModelTask.AN_ANSWER),
        ({"type": "tool", "tool_command": "true"}, ModelTask.NOTHING),
        ({"type": "parallel.fan_in"}, ModelTask.NOTHING),
        ({"type": "parallel.fan_in", "prompt": " "}, ModelTask.NOTHING),
        ({"type": "parallel.fan_in", "prompt": "Which is best?"}, ModelTask.AN_ANSWER),
        ({"type": "stack.manager_loop", "prompt": "Lead it."}, ModelTask.NOTHING),
        ({"type": "stack.manager_loop", "manager.actions": "observe,steer"}, ModelTask.NOTHING),
        (
            {"type": "stack.manager_loop", "manager.actions": "steer", "prompt": "Lead it."},
            ModelTask.ADVICE,
        ),
        ({"type": "of.somebody"}, ModelTask.ANYTHING),
    ],
)
def test_model_task_of_a_node(attributes: Mapping[str, Plain], asked: ModelTask) -> None:
    assert model_task(drawn("it", **attributes)) is asked


def test_a_node_may_be_executed_as_another_type() -> None:
    assert model_task(drawn("it", type="of.somebody"), "tool") is ModelTask.NOTHING


def test_side_question_is_no_turn_of_conversation() -> None:
    assert is_conversation_turn(drawn("it", prompt="Do it."))
    assert is_conversation_turn(drawn("it", type="of.somebody"))
    assert not is_conversation_turn(drawn("it", type="tool"))
    assert not is_conversation_turn(drawn("it", type="parallel.fan_in", prompt="Which?"))


def test_model_task_of_every_shipped_type_is_known() -> None:
    types = [one for one in handler_registry() if not one.startswith("growth.")]
    assert {
        type_ for type_ in types if model_task(drawn("it"), type_) is ModelTask.ANYTHING
    } == set()
