"""A simulation takes the same path as a real run with the same outcomes."""

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.errors import NotRunnable
from attractor.engine.outcome import Outcome
from attractor.engine.seams import Handler, Parts, Stage
from attractor.engine.simulation.coverage import cover
from attractor.engine.simulation.outcomes import SimulatedOutcomes, read_outcomes
from attractor.engine.simulation.walk import SimulatedWalk
from attractor.engine.state.progress import Visit, step_from_record
from attractor.engine.storage.json_files import Fields
from attractor.handlers.registry import handler_registry
from attractor.interviewers.auto_approve import AutoApprove
from attractor.interviewers.registry import InterviewerParts
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Plain
from attractor.pipeline.simulation.simulate import Script, simulate
from tests.counts import count
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import Workplace, read_events
from tests.engine.walks import forked_graphs, outcomes, small_graphs
from tests.language.pipelines import BRANCH, HUMAN_GATE
from tests.tables import table

HandlersOf = Callable[[SimulatedOutcomes], Mapping[str, Handler]]


def simulated(
    of: Graph, written: Mapping[str, Json] | None = None, **script: object
) -> SimulatedWalk:
    said = read_outcomes(written or {}, nodes=of.nodes)
    return asyncio.run(simulate(of, Script(outcomes=said, **script)))  # pyright: ignore[reportArgumentType]


def steps_of_run(root: Path) -> list[tuple[str, int, int, str]]:
    """Return the journal's record of every stage: node, visit, attempts, outcome."""
    saved = [one.data["step"] for one in read_events(root) if one.type == "CheckpointSaved"]
    return [_of_record(step) for step in saved if step]


def _of_record(record: Json) -> tuple[str, int, int, str]:
    return _of_visit(step_from_record(Fields(record, "step")).visit)


def _of_visit(visit: Visit) -> tuple[str, int, int, str]:
    return visit.node, visit.number, visit.attempts, visit.outcome.status.value


def steps_of(walk: SimulatedWalk) -> list[tuple[str, int, int, str]]:
    return [_of_visit(step.visit) for step in walk.steps]


def real_handlers(said: SimulatedOutcomes) -> Mapping[str, Handler]:
    backend = Simulate(BackendParts(simulate=said))
    parts = Parts(backend, AutoApprove(InterviewerParts(input=io.StringIO(), output=io.StringIO())))
    registry = handler_registry()
    return {name: registry[name](parts) for name in registry}


@settings(
    max_examples=count(ci=10, full=1500),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(of=small_graphs(), data=st.data())
def test_simulation_takes_the_path_of_the_run(
    of: Graph, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recorded = [one for one in "abcd" if of.nodes[one].type == "codergen"]
    by_node: dict[str, Sequence[Outcome]] = {
        id_: data.draw(st.lists(outcomes(of), min_size=1, max_size=3)) for id_ in recorded
    }
    said = SimulatedOutcomes(by_node)
    walk = asyncio.run(simulate(of, Script(outcomes=said)))
    place = Workplace(tmp_path_factory.mktemp("run") / "run", of)
    place.handlers = dict(real_handlers(said))
    result = place.run()
    assert steps_of(walk) == steps_of_run(place.root)
    assert walk.end
    assert (walk.end.status, walk.end.reason) == (result.outcome, result.reason)
    edges = [(one["target"], one["reason"]) for one in _selected(place)]
    routes = [route for step in walk.steps for route in step.decision.routes]
    assert [(route.target, route.reason.value) for route in routes] == edges


def by_branch(place: Workplace) -> dict[str, list[tuple[str, int, int, str]]]:
    """Return the journal's record of every stage, by its branch."""
    found: dict[str, list[tuple[str, int, int, str]]] = {}
    for one in place.events("CheckpointSaved"):
        if step := one.data["step"]:
            found.setdefault(one.branch or "", []).append(_of_record(step))
    return found


def edges_by_branch(place: Workplace) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in place.events("EdgeSelected"):
        way = (str(one.data["target"]), str(one.data["reason"]))
        found.setdefault(one.branch or "", []).append(way)
    return found


def simulated_by_branch(walk: SimulatedWalk) -> dict[str, list[tuple[str, int, int, str]]]:
    found: dict[str, list[tuple[str, int, int, str]]] = {}
    for one in walk.steps:
        received = (
            one.visit.node,
            one.visit.number,
            one.visit.attempts,
            one.visit.outcome.status.value,
        )
        found.setdefault(one.branch, []).append(received)
    return found


def simulated_edges(walk: SimulatedWalk) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in walk.steps:
        for route in one.decision.routes:
            found.setdefault(one.branch, []).append((route.target, route.reason.value))
    return found


def outcomes_in_branches(of: Graph, data: st.DataObject, *, most: int) -> SimulatedOutcomes:
    found = [one.id for one in of.of_type("codergen")]
    return SimulatedOutcomes(
        {id_: data.draw(st.lists(outcomes(of), min_size=1, max_size=most)) for id_ in found}
    )


branching = settings(
    max_examples=count(ci=10, full=600),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def require_same_path(
    of: Graph, data: st.DataObject, root: Path, handlers: HandlersOf, **forks: Plain
) -> None:
    """Simulate a graph, run it with these attributes of its forks, and compare both."""
    said = outcomes_in_branches(of, data, most=3)
    walk = asyncio.run(simulate(of, Script(outcomes=said, max_steps=5000)))
    nodes = {id_: node(id_, **{**_plain(one), **forks}) for id_, one in of.nodes.items()}
    kept = {id_: nodes[id_] if one.type == "parallel" else one for id_, one in of.nodes.items()}
    place = Workplace(root / "run", replace(of, nodes=kept))
    place.handlers = dict(handlers(said))
    result = place.run()
    assert simulated_by_branch(walk) == by_branch(place)
    assert simulated_edges(walk) == edges_by_branch(place)
    assert walk.end
    assert (walk.end.status, walk.end.reason) == (result.outcome, result.reason)


@branching
@given(of=forked_graphs(), data=st.data())
def test_simulation_branches_like_the_run(
    of: Graph, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require_same_path(of, data, tmp_path_factory.mktemp("run"), real_handlers, max_parallel=1)


@dataclass
class Uneven:
    """Lets a handler take some turns longer than others."""

    handler: Handler

    async def execute(self, stage: Stage) -> Outcome:
        for _ in range(sum(map(ord, stage.node.id)) * stage.visit % 7):
            await asyncio.sleep(0)
        return await self.handler.execute(stage)


def uneven_handlers(said: SimulatedOutcomes) -> Mapping[str, Handler]:
    return {name: Uneven(handler) for name, handler in real_handlers(said).items()}


@branching
@given(of=forked_graphs(policies=["wait_all"]), data=st.data())
def test_order_of_branches_is_irrelevant_if_all_are_awaited(
    of: Graph, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require_same_path(of, data, tmp_path_factory.mktemp("run"), uneven_handlers)


def _plain(one: Node) -> dict[str, Plain]:
    """Return the original attributes of a node."""
    return {key: found.value.plain for key, found in one.attributes.by_key.items()}


@settings(max_examples=count(ci=12, full=3000), deadline=None)
@given(of=small_graphs() | forked_graphs(), data=st.data())
def test_simulation_never_reaches_unreachable_parts(of: Graph, data: st.DataObject) -> None:
    found = cover(of)
    for _ in range(3):
        walk = asyncio.run(simulate(of, _drawn_script(of, data)))
        assert not set(walk.path) & set(found.unreachable_nodes)
        taken = {id(edge) for edge in walk.edges}
        assert not [edge for edge in found.unreachable_edges if id(edge) in taken]


DIAMOND_WITH_SELF_LOOP = (
    [node("work"), node("d", "diamond"), node("a")],
    [
        edge("start", "work"),
        edge("work", "d"),
        edge("d", "d", "preferred_label=Yes"),
        edge("d", "a"),
        edge("d", "exit", label="Yes"),
        edge("a", "exit"),
    ],
)
DIAMONDS_IN_A_ROW = (
    [node("work"), node("d", "diamond"), node("e", "diamond"), node("a")],
    [
        edge("start", "work"),
        edge("work", "d"),
        edge("d", "e"),
        edge("e", "a"),
        edge("e", "exit", label="Yes"),
        edge("a", "exit"),
    ],
)


@pytest.mark.parametrize(
    ("nodes", "edges", "label"),
    [(*DIAMOND_WITH_SELF_LOOP, "yes"), (*DIAMONDS_IN_A_ROW, "Yes")],
)
def test_edges_behind_conditionals_are_reachable_by_label(
    nodes: list[Node], edges: list[Edge], label: str
) -> None:
    of = graph([start(), end(), *nodes], edges)
    walk = simulated(of, {"work": {"outcome": "success", "preferred_label": label}})
    assert walk.path[-2:] != ("a", "exit")
    assert walk.path[-1] == "exit"
    assert cover(of).unreachable_edges == ()


def _drawn_script(of: Graph, data: st.DataObject) -> Script:
    """Generate outcomes for the stages of a graph, and answers or none for its questions."""
    found = [one.id for one in of.of_type("codergen")]
    gates = [one.id for one in of.of_type("wait.human")]
    said = {id_: data.draw(st.lists(outcomes(of), min_size=1, max_size=3)) for id_ in found}
    ways = {gate: [edge.target for edge in of.outgoing(gate)] for gate in gates}
    answers = {gate: [data.draw(st.sampled_from([*ways[gate], "no"]))] for gate in gates}
    return Script(outcomes=SimulatedOutcomes(said), answers=answers)


def _selected(place: Workplace) -> list[dict[str, Json]]:
    return [dict(one.data) for one in place.events("EdgeSelected")]


@table(
    ("outcome", "answers", "target"),
    [
        (None, (), "ship_it"),
        ({"outcome": "success", "preferred_label": "Fix"}, (), "fixes"),
        ({"outcome": "success", "preferred_label": "[F] Fix"}, (), "fixes"),
        ({"outcome": "success", "suggested_next_ids": ["fixes"]}, (), "fixes"),
        (None, ("F", "A"), "fixes"),
        ({"outcome": "success", "preferred_label": "Approve"}, ("f",), "fixes"),
    ],
)
def test_simulated_choice(outcome: Json, answers: tuple[str, ...], target: str) -> None:
    said = {"review_gate": answers} if answers else {}
    walk = simulated(
        parse(HUMAN_GATE), {"review_gate": outcome} if outcome else {}, answers=said, max_steps=5
    )
    assert walk.path[2] == target
    chosen = walk.steps[1].visit.outcome.context_updates["human.gate.target"]
    assert chosen == target


def test_default_choice_is_used_without_a_script() -> None:
    text = HUMAN_GATE.replace('type="wait.human"', 'human.default_choice="fixes"')
    assert simulated(parse(text), max_steps=5).path[2] == "fixes"


def test_a_gate_may_fail() -> None:
    walk = simulated(parse(HUMAN_GATE), {"review_gate": "fail"})
    assert walk.end
    assert walk.end.reason == "simulated fail of review_gate"


def test_scripted_updates_of_a_gate_are_in_the_context() -> None:
    fields: dict[str, Json] = {
        "review_gate": {"outcome": "success", "context_updates": {"by": "me"}, "notes": "fine"}
    }
    gate = simulated(parse(HUMAN_GATE), fields).steps[1].visit.outcome
    assert (gate.context_updates["by"], gate.notes) == ("me", "fine")


def test_a_command_is_not_executed_and_its_failure_is_a_verdict(tmp_path: Path) -> None:
    tool = node("make", "parallelogram", tool_command=f"touch {tmp_path}/made")
    of = graph([start(), end(), tool], chain("start", "make", "exit"), default_max_retries=3)
    assert simulated(of).path == ("start", "make", "exit")
    assert not (tmp_path / "made").exists()
    failed = simulated(of, {"make": "fail"}).steps[1].visit
    assert (failed.attempts, failed.outcome.failure_class) == (1, "verdict")


FAN = parse(
    """digraph Fan {
        start [shape=Mdiamond]; exit [shape=Msquare]
        fan [shape=component, join_policy=quorum]; best [shape=tripleoctagon]
        start -> fan; fan -> a -> a2 -> best; fan -> b -> best; fan -> c -> best; best -> exit
    }"""
)


def test_fork_may_have_a_scripted_outcome() -> None:
    failed = simulated(FAN, {"fan": "fail"})
    assert failed.path == ("start", "fan")
    assert failed.end
    assert failed.end.reason == "simulated fail of fan"
    fields: dict[str, Json] = {"outcome": "partial_success", "context_updates": {"x": 1}}
    walk = simulated(FAN, {"fan": fields})
    fork = walk.steps[1].visit.outcome
    assert (fork.status.value, fork.context_updates["x"]) == ("partial_success", 1)
    assert "best" in walk.path


def test_fork_of_which_all_branches_must_pass_names_each_failure() -> None:
    of = replace(FAN, nodes={**FAN.nodes, "fan": node("fan", "component", join_policy="all")})
    failed = simulated(of, {"a2": "fail", "c": "fail"})
    assert failed.path == ("start", "fan", "a", "a2", "b", "c")
    assert failed.end
    assert failed.end.reason == (
        "all: 2 of 3 branches failed (a at a2: simulated fail of a2; c: simulated fail of c)"
    )
    assert simulated(of).path[-2:] == ("best", "exit")


def test_fan_in_chooses_unless_scripted_to_fail() -> None:
    best = simulated(FAN, {"a2": "partial_success"}).steps[-1].visit.outcome
    assert best.context_updates["parallel.fan_in.best_id"] == "b"
    failed = simulated(FAN, {"best": "fail"})
    assert failed.end
    assert failed.end.reason == "simulated fail of best"


def test_simulation_refuses_invalid_pipelines() -> None:
    of = graph([start(), end()], [edge("start", "exit", loop_restart=True)])
    with pytest.raises(NotRunnable, match="loop_restart"):
        simulated(of)


@table(
    ("written", "answers", "words"),
    [
        ({"gate": "fail"}, {}, "node 'gate' is of type conditional"),
        ({"start": "fail"}, {}, "node 'start' is of type start"),
        ({}, {"plan": ["Yes"]}, "node 'plan' is not a human gate"),
    ],
)
def test_unused_parts_of_a_script_are_refused(
    written: Mapping[str, Json], answers: Mapping[str, Sequence[str]], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        simulated(parse(BRANCH), written, answers=answers)
    assert caught.value.hint
