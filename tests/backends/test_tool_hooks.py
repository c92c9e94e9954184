"""Which hooks a stage has: those of its node, else those of the graph."""

from pathlib import Path

import pytest

from attractor.backends.agent import Agent
from attractor.backends.agent_parts import AgentParts
from attractor.backends.parts import BackendParts
from attractor.backends.tool_hooks import hooks_of
from attractor.engine.outcome import Outcome, StageStatus
from attractor.language.source.syntax_tree import Plain
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, call, said
from tests.handlers.stages import Play, graph, node

PRE, POST = "tool_hooks.pre", "tool_hooks.post"


@pytest.mark.parametrize(
    ("of_graph", "of_node", "pre", "post"),
    [
        ({}, {}, "", ""),
        ({PRE: "look", POST: "log"}, {}, "look", "log"),
        ({PRE: "look", POST: "log"}, {PRE: "look here"}, "look here", "log"),
        ({PRE: "look"}, {PRE: "", POST: "log"}, "", "log"),
    ],
)
def test_the_node_goes_before_the_graph(
    of_graph: dict[str, Plain], of_node: dict[str, Plain], pre: str, post: str
) -> None:
    hooks = hooks_of(Play(graph(node("make", **of_node), **of_graph), "make").stage)
    assert (hooks.pre, hooks.post) == (pre, post)


def test_a_hook_is_told_which_attempt_it_belongs_to() -> None:
    hooks = hooks_of(Play(graph(node("make")), "make").stage)
    assert dict(hooks.about) == {"node": "make", "visit": 1, "attempt": 1}


def test_a_report_that_the_hook_holds_back_twice_fails_the_stage(tmp_path: Path) -> None:
    hold = 'test "$TOOL_HOOK_TOOL" != report_outcome || { echo run the tests first; exit 1; }'
    whole = graph(node("make", **{PRE: hold}))
    report = call("report_outcome", outcome="success")
    provider = ScriptedProvider(report, report, said("never"))
    parts = AgentParts(client=provider.client(), model="gpt-test", provider="openai")
    play = Play(whole, "make", environment=local(tmp_path))
    outcome = finish(Agent(BackendParts(agent=parts)).run(play.stage, "Make it"))
    assert isinstance(outcome, Outcome)
    assert outcome.status is StageStatus.FAIL
    assert "tool_hooks.pre: ended with exit code 1\nrun the tests first" in outcome.failure_reason
    assert play.events.kinds.count("TOOL_HOOK") == 2
