"""Definition of Done 11.7: state and context."""

from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from tests.engine.graphs import chain, end, graph, line, node, start
from tests.engine.runs import Workplace, run_graph
from tests.spec.runs import between, run


def test_11_7_handlers_read_the_context_and_return_updates(tmp_path: Path) -> None:
    seen: list[object] = []

    async def read(stage: Stage) -> Outcome:
        seen.append((stage.context.get("said"), stage.context.get("set")))
        return success()

    async def write(stage: Stage) -> Outcome:
        stage.context.set("set", 2)
        return success(said=[1])

    run_graph(tmp_path, line("one", "two"), {"one": write, "two": read})
    assert seen == [([1], 2)]


def test_11_7_updates_are_merged_after_each_node(tmp_path: Path) -> None:
    script = {"one": success(a=1, b=1), "two": success(b=2)}
    _, place = run_graph(tmp_path, line("one", "two"), script)
    context = place.json("checkpoint.json")["context"]
    assert isinstance(context, dict)
    assert (context["a"], context["b"]) == (1, 2)
    assert (context["outcome"], context["current_node"]) == ("success", "two")


def test_11_7_a_checkpoint_is_saved_after_each_node(tmp_path: Path) -> None:
    seen: list[object] = []

    async def look(stage: Stage) -> Outcome:
        checkpoint = place.json("checkpoint.json")
        seen.append((checkpoint["current_node"], checkpoint["completed_nodes"]))
        return success()

    place = Workplace(tmp_path / "run", line("one", "two"), {"one": look, "two": look})
    place.run()
    assert seen == [("start", ["start"]), ("one", ["start", "one"])]
    assert [one.data["node_id"] for one in place.events("CheckpointSaved")] == [
        "",
        "start",
        "one",
        "two",
        "exit",
    ]
    checkpoint = place.json("checkpoint.json")
    assert checkpoint["current_node"] == "exit"
    assert {"timestamp", "context", "node_retries", "logs"} <= set(checkpoint)


def test_11_7_a_run_is_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    async def die(stage: Stage) -> Outcome:
        raise KeyboardInterrupt

    seen: list[object] = []

    async def look(stage: Stage) -> Outcome:
        seen.append(stage.context.get("kept"))
        return success()

    place = Workplace(
        tmp_path / "run", line("one", "two", "three"), {"one": success(kept=1), "two": die}
    )
    with pytest.raises(KeyboardInterrupt):
        place.run()
    again = Workplace(tmp_path / "run", place.graph, {"two": look})
    result = again.run()
    assert (result.outcome, seen) == (StageStatus.SUCCESS, [1])
    assert again.handler.nodes == ["two", "three"]
    assert result.completed == ("start", "one", "two", "three")


def test_11_7_artifacts_lie_in_the_stage_folder(tmp_path: Path) -> None:
    async def write(stage: Stage) -> Outcome:
        stage.files.write("prompt.md", "ask")
        stage.files.write("response.md", "answer")
        return success()

    _, place = run_graph(tmp_path, line("work"), {"work": write})
    found = sorted(one.name for one in (place.root / "work").iterdir())
    assert found == ["prompt.md", "response.md", "status.json"]


def test_11_7_the_engine_keeps_the_context_of_5_1(tmp_path: Path) -> None:
    seen: dict[str, Json] = {}

    async def look(stage: Stage) -> Outcome:
        if stage.attempt == 2:
            seen.update(stage.context.snapshot())
            return success()
        return Outcome(StageStatus.RETRY, failure_reason="busy")

    drawn = graph(
        [start(), end(), node("two", max_retries=1, retry_policy="none")],
        chain("start", "one", "two", "exit"),
        goal="Ship it",
        retries=3,
    )
    said = Outcome(StageStatus.SUCCESS, preferred_label="Go", context_updates={"context.x": 1})
    _, place = run_graph(tmp_path, drawn, {"one": said, "two": look})
    assert seen == {
        "graph.goal": "Ship it",
        "graph.retries": 3,
        "outcome": "success",
        "preferred_label": "Go",
        "last_stage": "one",
        "current_node": "two",
        "context.x": 1,
        "internal.retry_count.two": 1,
    }
    after = place.json("checkpoint.json")["context"]
    assert isinstance(after, dict)
    assert "internal.retry_count.two" not in after


TYPED: dict[str, Json] = {
    "context.number": 3,
    "context.real": 2.5,
    "context.flag": False,
    "context.nothing": None,
    "context.list": [1, {"deep": ["größe"]}],
    "work.item": {"id": 7},
    "human.gate.label": "3",
}


def test_11_7_values_keep_their_types_through_a_run_and_a_resume(tmp_path: Path) -> None:
    seen: list[dict[str, Json]] = []

    async def look(stage: Stage) -> Outcome:
        seen.append({key: stage.context.get(key) for key in TYPED})
        if len(seen) == 1:
            raise KeyboardInterrupt
        return success()

    script = {"one": Outcome(StageStatus.SUCCESS, context_updates=TYPED), "two": look}
    place = Workplace(tmp_path / "run", line("one", "two"), script)
    with pytest.raises(KeyboardInterrupt):
        place.run()
    Workplace(place.root, place.graph, {"two": look}).run()
    assert seen == [TYPED, TYPED]
    assert [type(one) for one in seen[1].values()] == [type(one) for one in TYPED.values()]


def test_11_7_every_stage_sets_last_stage(tmp_path: Path) -> None:
    text = between(
        'tool [shape=parallelogram, tool_command="true"]',
        "decide [shape=diamond]; fork [shape=component]; meet [shape=tripleoctagon]",
        'one [shape=parallelogram, tool_command="true"]; two [prompt="x"]',
        'start -> tool -> decide; decide -> fork [condition="context.last_stage=tool"]',
        "decide -> exit; fork -> one -> meet; fork -> two -> meet; meet -> after",
        'after [shape=parallelogram, tool_command="true"]; after -> exit',
    )
    result = run(tmp_path, text)
    assert {"fork", "one", "two", "meet"} <= set(result.completed)
    assert result.context["last_stage"] == "after"
