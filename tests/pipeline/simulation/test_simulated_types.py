"""Types of nodes beyond the specification, in a simulation."""

import asyncio
from collections.abc import Mapping

from attractor.base.json import Json
from attractor.engine.outcome import StageStatus
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.engine.simulation.walk import SimulatedWalk
from attractor.language.reading import parse
from attractor.pipeline.simulation.simulate import Script, simulate

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"


def simulated(
    body: str, fields: Mapping[str, Json] | None = None, **context: Json
) -> SimulatedWalk:
    graph = parse(f"digraph simulated {{ {ENDS}; {body} }}")
    outcomes = read_outcomes(fields or {}, nodes=graph.nodes)
    return asyncio.run(simulate(graph, Script(outcomes=outcomes, context=context)))


def test_prompt_stage_follows_the_script_else_succeeds() -> None:
    body = 'it [type="prompt", prompt="Good?", goal_gate=true, require_verdict=true]'
    body += "; start -> it -> exit"
    assert simulated(body).path == ("start", "it", "exit")
    failed = simulated(body, {"it": "fail"})
    assert failed.end
    assert failed.end.status is StageStatus.FAIL


EACH = """
    it   [type="for_each", items="todo"]
    work [prompt="Do it"]
    join [shape=tripleoctagon]
    start -> it -> work -> join -> exit
"""


def test_items_come_from_the_context_or_default_to_one() -> None:
    assert simulated(EACH).paths[1:] == [["work"]]
    assert simulated(EACH, todo=["a", "b", "c"]).paths[1:] == [["work"]] * 3
    none = simulated(EACH, todo=[])
    assert (none.paths[1:], none.path) == ([], ("start", "it", "join", "exit"))


def test_child_pipelines_and_waits_are_simulated() -> None:
    body = """
        wait  [type="wait", duration="10d"]
        inner [type="pipeline", file="nowhere.dot"]
        watch [shape=house]
        start -> wait -> inner -> watch -> exit
    """
    assert simulated(body).path == ("start", "wait", "inner", "watch", "exit")
    assert simulated(body, {"inner": "fail"}).path == ("start", "wait", "inner")
