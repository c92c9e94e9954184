"""Each stage is done by the backend that its node names, else by that of the run."""

import asyncio

import pytest

from attractor.engine.errors import ConversationLost
from attractor.engine.interfaces import Said, Stage
from attractor.engine.outcome import Outcome
from attractor.language.source.parse import parse
from attractor.pipeline.brought import HANDED_IN
from attractor.pipeline.node_backends import (
    AGENT,
    SIMULATE,
    NodeBackends,
    backend_of,
    find_backend_faults,
)
from tests.handlers.stages import Play

GRAPH = parse("digraph x { plain; named [backend=other]; start [shape=Mdiamond]; start -> plain }")


class Working:
    """A backend that says who did the work, and keeps conversations if it is told so."""

    def __init__(self, name: str, *, hears: bool = False, kept: object = None) -> None:
        self.name = name
        self.hears = hears
        self.kept = kept
        self.heard: list[str] = []

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        return f"{self.name} did {prompt}"

    async def answer(self, stage: Stage, prompt: str) -> Said | Outcome:
        return Said(f"{self.name} answered {prompt}")

    async def steer(self, stage_id: str, text: str) -> bool:
        self.heard.append(text)
        return self.hears

    def rebuild(self, last: str, read: object) -> object:
        if self.kept is None:
            raise ConversationLost(f"{self.name} has none of {last}")
        return self.kept


def nothing(stage: str, file: str) -> bytes:
    return b""


def faults(node: str, of_run: str = AGENT) -> list[tuple[str | None, str]]:
    graph = parse(f"digraph x {{ work [{node}]; start [shape=Mdiamond]; start -> work }}")
    found = find_backend_faults([graph.nodes["work"]], of_run)
    return [(one.node, one.message) for one in found]


def test_a_run_that_is_simulated_is_so_throughout() -> None:
    named, plain = GRAPH.nodes["named"], GRAPH.nodes["plain"]
    assert [backend_of(one, AGENT) for one in (named, plain)] == ["other", AGENT]
    assert [backend_of(one, SIMULATE) for one in (named, plain)] == [SIMULATE, SIMULATE]


def test_a_stage_goes_to_the_backend_of_its_node() -> None:
    both = NodeBackends(AGENT, {AGENT: Working("agent"), "other": Working("other")})

    async def scene() -> list[object]:
        named, plain = (Play(GRAPH, one).stage for one in ("named", "plain"))
        return [
            await both.run(named, "it"),
            await both.run(plain, "it"),
            await both.answer(named, "this"),
        ]

    assert asyncio.run(scene()) == ["other did it", "agent did it", Said("other answered this")]


def test_words_reach_whoever_is_at_the_stage_and_all_are_asked() -> None:
    deaf, hearing = Working("deaf"), Working("hearing", hears=True)
    both = NodeBackends("deaf", {"hearing": hearing, "deaf": deaf})
    assert asyncio.run(both.steer("work@1.1", "be quick"))
    assert (deaf.heard, hearing.heard) == (["be quick"], ["be quick"])
    assert not asyncio.run(NodeBackends("deaf", {"deaf": deaf}).steer("work@1.1", "well?"))


def test_a_conversation_is_made_again_by_whoever_can() -> None:
    lacking, keeping = Working("lacking"), Working("keeping", kept="what was said")
    both = NodeBackends("lacking", {"lacking": lacking, "keeping": keeping})
    assert both.rebuild("plan@1.1", nothing) == "what was said"
    with pytest.raises(ConversationLost, match="lacking has none of plan@1.1"):
        NodeBackends("lacking", {"lacking": lacking}).rebuild("plan@1.1", nothing)


def test_a_backend_that_is_not_there_is_a_fault_of_its_node() -> None:
    [(node, message)] = faults("backend=agnt")
    assert node == "work"
    assert message.startswith("node work: backend=agnt: unknown backend")
    assert faults(f"backend={AGENT}") == []


def test_what_a_program_handed_in_or_the_run_names_is_known() -> None:
    assert faults("", of_run=HANDED_IN) == []
    assert faults("backend=of_a_program", of_run="of_a_program") == []
    # What is simulated is done by no other backend, so none can be missing.
    assert faults("backend=agnt", of_run=SIMULATE) == []


def test_an_agent_cannot_be_named_yet_and_that_is_said() -> None:
    [(_, message)] = faults("agent=reviewer")
    assert message == "node work: agent=reviewer: agents cannot be chosen by name yet"
    assert faults("agent=reviewer", of_run=SIMULATE) == []
