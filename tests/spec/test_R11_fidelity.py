"""Ruling R11 and attractor-spec 5.4: context that a stage inherits from earlier stages."""

from pathlib import Path

import pytest

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.engine.outcome import Outcome, success
from attractor.engine.prompts.preamble import estimate_tokens
from attractor.engine.seams import Parts, Stage
from attractor.handlers.codergen import Codergen
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Silent, Workplace
from tests.engine.speaking import Speakers, place_of
from tests.tables import table


async def die(stage: Stage) -> Outcome:
    raise KeyboardInterrupt


def threaded(*ids: str, **threads: str) -> Graph:
    """Return stages in a line with full fidelity, each in its thread."""
    nodes = [node(id_, thread_id=threads.get(id_, "main")) for id_ in ids]
    ways = chain("start", *ids, "exit")
    return graph([start(), end(), *nodes], ways, default_fidelity="full")


def run_twice(place: Workplace, speakers: Speakers) -> Workplace:
    with pytest.raises(KeyboardInterrupt):
        place.run()
    again = Workplace(place.root, place.graph, dict.fromkeys(place.graph.nodes, speakers))
    again.run()
    return again


@table(
    ("on_edge", "on_node", "on_graph", "fidelity"),
    [
        ("truncate", "summary:low", "full", "truncate"),
        ("", "summary:low", "full", "summary:low"),
        ("", "", "summary:medium", "summary:medium"),
        ("", "", "", "compact"),
    ],
)
def test_R11_the_edge_then_the_node_then_the_graph_then_compact(
    tmp_path: Path, on_edge: str, on_node: str, on_graph: str, fidelity: str
) -> None:
    of_node: dict[str, Plain] = {"fidelity": on_node} if on_node else {}
    of_graph: dict[str, Plain] = {"default_fidelity": on_graph} if on_graph else {}
    ways = [*chain("start", "one"), edge("one", "work", fidelity=on_edge), edge("work", "exit")]
    drawn = graph([start(), end(), node("work", **of_node)], ways, **of_graph)
    speakers = Speakers()
    place = place_of(tmp_path, drawn, speakers)
    place.run()
    assert speakers.of("work").fidelity == fidelity
    recorded = {one.node: one.data["fidelity"] for one in place.events("StageStarted")}
    assert recorded["work"] == fidelity


def test_R11_stages_of_one_thread_share_a_conversation(tmp_path: Path) -> None:
    speakers = Speakers()
    place_of(tmp_path, threaded("a", "b", "c", "d", b="side", d="side"), speakers).run()
    said = {one.stage: one.conversation for one in speakers.heard}
    assert said == {"a@1.1": (), "b@1.1": (), "c@1.1": ("a@1.1",), "d@1.1": ("b@1.1",)}


def test_R11_a_resume_degrades_full_fidelity_once(tmp_path: Path) -> None:
    speakers = Speakers()
    place = place_of(tmp_path, threaded("a", "b", "c"), speakers, {"b": die})
    again = run_twice(place, speakers)
    b, c = speakers.of("b"), speakers.of("c")
    assert (b.fidelity, b.conversation) == ("summary:high", ())
    assert "- a (success): a is done" in b.preamble
    assert (c.fidelity, c.conversation, c.preamble) == ("full", ("b@1.1",), "")
    [event] = again.events("FidelityDegraded")
    assert (event.node, event.data["wanted"], event.data["fidelity"], event.data["thread"]) == (
        "b",
        "full",
        "summary:high",
        "main",
    )


def test_R11_each_lost_conversation_is_reported(tmp_path: Path) -> None:
    speakers = Speakers()
    drawn = threaded("a", "b", "c", "d", b="side", d="side")
    again = run_twice(place_of(tmp_path, drawn, speakers, {"c": die}), speakers)
    assert [one.node for one in again.events("FidelityDegraded")] == ["c", "d"]


def test_R11_a_thread_that_begins_after_a_resume_is_not_degraded(tmp_path: Path) -> None:
    speakers = Speakers()
    again = run_twice(
        place_of(tmp_path, threaded("a", "b", b="new"), speakers, {"b": die}), speakers
    )
    assert again.events("FidelityDegraded") == []
    assert "- a (success): a is done" in speakers.of("b").preamble


def test_R11_a_run_that_never_stopped_is_not_degraded(tmp_path: Path) -> None:
    place = place_of(tmp_path, threaded("a", "b", "c"), Speakers())
    place.run()
    assert place.events("FidelityDegraded") == []


def test_R11_backend_without_conversations_is_reported(tmp_path: Path) -> None:
    heard: list[str] = []

    async def forget(stage: Stage) -> Outcome:
        heard.append(stage.inherited.fidelity.value)
        return success()

    place = Workplace(tmp_path / "run", threaded("a", "b"), {"a": forget, "b": forget})
    place.run()
    assert heard == ["full", "summary:high"]
    assert [one.node for one in place.events("FidelityDegraded")] == ["b"]


def simulated(tmp_path: Path, drawn: Graph) -> Workplace:
    place = Workplace(tmp_path / "run", drawn)
    place.handlers["codergen"] = Codergen(Parts(Simulate(BackendParts()), Silent()))
    place.run()
    return place


def test_R11_simulated_backend_records_continued_threads(tmp_path: Path) -> None:
    place = simulated(tmp_path, threaded("a", "b", "c"))
    events = place.events("ThreadContinued")
    continued = [(one.node, one.data["stages"], one.data["last"]) for one in events]
    assert continued == [("b", 1, "a@1.1"), ("c", 2, "b@1.1")]


def test_R11_prompt_contains_the_inherited_context(tmp_path: Path) -> None:
    place = simulated(tmp_path, line("a", "b", "c", goal="Ship it", default_fidelity="truncate"))
    asked = (place.root / "c" / "prompt.md").read_text()
    assert asked.startswith("# Earlier stages\n\nGoal: Ship it\nRun: 01")
    assert asked.endswith("\n\n# Your task\n\nc")


@table(
    ("fidelity", "budget"),
    [("compact", 1000), ("summary:low", 600), ("summary:medium", 1500), ("summary:high", 3000)],
)
def test_R11_budgets_are_kept_in_a_long_run(tmp_path: Path, fidelity: str, budget: int) -> None:
    ids = [f"stage_{number}" for number in range(120)]
    speakers = Speakers()
    place_of(tmp_path, line(*ids, default_fidelity=fidelity, goal="Go " * 5000), speakers).run()
    found = [estimate_tokens(one.preamble) for one in speakers.heard]
    assert max(found) <= budget
    assert "stages before" in speakers.heard[-1].preamble
