from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, success
from attractor.engine.seams import Parts, Stage
from attractor.handlers.for_each import ForEach, read_items
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Plain
from tests.engine.branches import MEETING, Given, GivenBranches
from tests.engine.forked import branch_steps, results, words, wrote
from tests.engine.runs import Script, Silent, Workplace
from tests.handlers.stages import Play, edge, graph, node
from tests.patience import until
from tests.tables import table

OUT = ("work",)
NO_ENDS: Mapping[str, Given] = {}
NOTHING_MORE: Mapping[str, Plain] = {}


def play(
    listed: Json,
    *,
    key: str = "list",
    out: Sequence[str] = OUT,
    ends: Mapping[str, Given] = NO_ENDS,
    plain: Mapping[str, Plain] = NOTHING_MORE,
) -> Play:
    each = node("it", **{"type": "for_each", "items": key, **plain})
    pipeline = graph(each, *(edge("it", one) for one in out))
    branches = GivenBranches(ends, fork=MEETING)
    return Play(pipeline, "it", context=Context({"list": listed}), branches=branches)


def test_each_item_has_branch_with_its_values() -> None:
    it = play(["größe 🐍", {"a": 1}, None])
    assert it.run().status is StageStatus.SUCCESS
    assert [(one.name, one.start, one.until) for one in it.branches.walked] == [
        (name, "work", "join") for name in "123"
    ]
    assert [one.updates for one in it.branches.walked] == [
        {"work.item": item, "work.index": index, "work.count": 3}
        for index, item in enumerate(("größe 🐍", {"a": 1}, None), 1)
    ]


@table("key", ["list", "context.list", " list "])
def test_key_may_have_the_syntax_of_conditions(key: str) -> None:
    it = play([1], key=key)
    it.run()
    assert it.branches.names == ["1"]


def test_all_outgoing_edges_are_walked_for_each_item() -> None:
    it = play(["a", "b"], out=("write", "check", "write"))
    it.run()
    assert [(one.name, one.start, one.updates["work.item"]) for one in it.branches.walked] == [
        ("1-write", "write", "a"),
        ("1-check", "check", "a"),
        ("1-write#2", "write", "a"),
        ("2-write", "write", "b"),
        ("2-check", "check", "b"),
        ("2-write#2", "write", "b"),
    ]


@table("nothing", [[], "", "  \n\n", "[]"])
def test_empty_list_succeeds_with_empty_results(nothing: Json) -> None:
    it = play(nothing, plain={"join_policy": "first_success"})
    outcome = it.run()
    assert (outcome.status, outcome.notes) == (StageStatus.SUCCESS, "no items under list")
    assert outcome.context_updates == {
        "parallel.results": [],
        "parallel.success_count": 0,
        "parallel.fail_count": 0,
        "parallel.no_items": True,
        "parallel.adopted": False,
    }
    assert (it.branches.walked, it.events.all) == ([], [])


@table(
    ("value", "items"),
    [
        ([1, [2]], [1, [2]]),
        ('["a", {"b": 1}]', ["a", {"b": 1}]),
        (" [\n1,\n2\n]\n", [1, 2]),
        ('```json\n["a", "b"]\n```\n', ["a", "b"]),
        ("The list:\r\n```\r\n[1,\r\n2]\r\n```\r\nDone.", [1, 2]),
        ("```\nno list\n```", ["```", "no list", "```"]),
        ("one\r\n  two  \n\nthree", ["one", "two", "three"]),
        ("42\n", ["42"]),
        ('{"a": 1}', ['{"a": 1}']),
        ("[not json", ["[not json"]),
        ({"a": 1}, None),
        (None, None),
        (3, None),
        (True, None),
    ],
)
def test_a_list_may_be_written_in_a_text(value: Json, items: Sequence[Json] | None) -> None:
    assert read_items(value) == items


@table(
    ("value", "message"),
    [
        (None, "the context has no list under list"),
        ({"a": 1}, "the context has no list under list"),
        ("a\n[... 12 bytes omitted ...]\nb", "the text in list was truncated"),
        ("x" * 199 + "…", "the text in list was truncated"),
    ],
)
def test_invalid_or_truncated_list_fails(value: Json, message: str) -> None:
    it = play(value)
    outcome = it.run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.TERMINAL)
    assert message in outcome.failure_reason
    assert it.branches.walked == []


def test_without_items_named_or_without_a_meeting_the_pipeline_is_at_fault() -> None:
    unnamed, unmet = play([1], key=""), play([1])
    unmet.branches.fork = None
    for it, message in ((unnamed, "set items to a context key"), (unmet, "never meet")):
        outcome = it.run()
        assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
        assert message in outcome.failure_reason


PIPELINE = """digraph each {
    start [shape=Mdiamond]
    list  [prompt="List them"]
    each  [type="for_each", items="todo", max_parallel=MOST]
    work  [prompt="Do it"]
    check [prompt="Check it"]
    join  [shape=tripleoctagon]
    exit  [shape=Msquare]
    start -> list -> each -> work -> check -> join -> exit
}"""


def workplace(tmp_path: Path, script: Script, text: str = PIPELINE, most: int = 4) -> Workplace:
    pipeline: Graph = parse(text.replace("MOST", str(most)))
    place = Workplace(tmp_path / "run", pipeline, script)
    place.handlers["for_each"] = ForEach(Parts(Silent(), Silent()))
    return place


def test_in_a_run_each_branch_has_its_item_and_results_are_ordered(tmp_path: Path) -> None:
    done: list[Json] = []

    async def work(stage: Stage) -> Outcome:
        # The last branch ends first.
        await until(lambda: len(done) == 3 - int(stage.context.get_string("work.index")))
        done.append(stage.context.get("work.item"))
        return wrote(made=f"{stage.context.get_string('work.item')}!")

    place = workplace(tmp_path, {"list": wrote(todo=["a", "b", "c"]), "work": work})
    assert place.run().outcome is StageStatus.SUCCESS
    assert done == ["c", "b", "a"]
    assert words(place) == ["1 success", "2 success", "3 success"]
    made = [one["context_updates"] for one in results(place)]
    assert [one["made"] for one in made if isinstance(one, dict)] == ["a!", "b!", "c!"]
    assert branch_steps(place) == {f"each@1.1/{name}": ["work", "check"] for name in "123"}
    context = place.json("checkpoint.json")["context"]
    assert isinstance(context, dict)
    assert not [key for key in context if key.startswith("work.")]


def test_in_a_run_without_items_the_fan_in_passes_also_after_other_results(tmp_path: Path) -> None:
    text = PIPELINE.replace("-> join -> exit", "-> join; join -> more -> exit").replace(
        "exit  [", 'more [prompt="More"]; more -> each [condition="context.again=yes"]\nexit ['
    )
    script: Script = {
        "list": wrote(todo=["a"]),
        "more": [wrote(again="yes", todo=[]), wrote(again="no")],
    }
    place = workplace(tmp_path, script, text)
    result = place.run()
    assert (result.outcome, results(place)) == (StageStatus.SUCCESS, [])
    assert result.completed == (
        *("start", "list", "work", "check", "each", "join", "more"),
        *("each", "join", "more"),
    )
    notes = [one.data["notes"] for one in place.events("StageCompleted") if one.node == "join"]
    assert notes[1] == "There were no items"


def test_crash_repeats_only_stage_in_flight(tmp_path: Path) -> None:
    begun: list[str] = []

    async def dies(stage: Stage) -> Outcome:
        begun.append(stage.context.get_string("work.item"))
        if begun[-1] == "c":
            raise KeyboardInterrupt
        return success()

    script: Script = {"list": wrote(todo=list("abcde")), "work": dies}
    place = workplace(tmp_path, script, most=1)
    with pytest.raises(KeyboardInterrupt):
        place.run()
    assert begun == ["a", "b", "c"]

    async def lives(stage: Stage) -> Outcome:
        begun.append(stage.context.get_string("work.item"))
        return success()

    place.handler.script = {"list": wrote(todo=["not", "again"]), "work": lives}
    assert place.run().outcome is StageStatus.SUCCESS
    assert begun[3:] == ["c", "d", "e"]
    assert words(place) == [f"{number} success" for number in range(1, 6)]
    assert place.handler.nodes.count("list") == 1
