"""A simulation takes the same path as a real run with the same outcomes."""

import asyncio
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.errors import UsageError
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.outcome import Outcome
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Handler, Parts, Stage
from attractor.engine.simulation.coverage import cover
from attractor.engine.simulation.outcomes import SimulatedOutcomes, read_outcomes
from attractor.engine.simulation.walk import SimulatedWalk
from attractor.engine.state.progress import Visit, step_from_record
from attractor.engine.storage.json_files import Fields
from attractor.handlers.registry import handler_registry
from attractor.interviewers.auto_approve import AutoApprove
from attractor.interviewers.registry import InterviewerParts
from attractor.language.diagnostics import NotRunnable
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Plain
from attractor.pipeline.fork.linked_run import make_next_child
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.simulation.simulate import Script, simulate
from attractor.pipeline.source.read import PipelineSource
from tests.counts import count
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import Workplace
from tests.engine.walks import forked_graphs, outcomes, small_graphs
from tests.language.pipelines import BRANCH, HUMAN_GATE
from tests.pipeline.projects import open_project
from tests.tables import table

HandlersOf = Callable[[SimulatedOutcomes], Mapping[str, Handler]]
HANDLERS = dict(handler_registry().items())
ByBranch = dict[str, list[tuple[Json, ...]]]


def simulated(
    of: Graph, written: Mapping[str, Json] | None = None, **script: object
) -> SimulatedWalk:
    said = read_outcomes(written or {}, nodes=of.nodes)
    return asyncio.run(simulate(of, Script(outcomes=said, **script)))  # pyright: ignore[reportArgumentType]


def _of_visit(visit: Visit) -> tuple[Json, ...]:
    outcome = visit.outcome
    return visit.node, visit.number, visit.attempts, outcome.status.value, outcome.failure_reason


def real_handlers(said: SimulatedOutcomes) -> Mapping[str, Handler]:
    backend = Simulate(BackendParts(simulate=said))
    parts = Parts(backend, AutoApprove(InterviewerParts(input=io.StringIO(), output=io.StringIO())))
    return {name: HANDLERS[name](parts) for name in HANDLERS}


def steps_of_run(events: Iterable[Event]) -> ByBranch:
    """Return each stage in a journal, by branch: node, visit, attempts, outcome and reason."""
    found: ByBranch = {}
    for one in events:
        if one.type == "CheckpointSaved" and (step := one.data["step"]):
            visit = step_from_record(Fields(step, "step")).visit
            found.setdefault(one.branch or "", []).append(_of_visit(visit))
    return found


def edges_of_run(events: Iterable[Event]) -> ByBranch:
    found: ByBranch = {}
    for one in events:
        if one.type == "EdgeSelected":
            way = (one.data["target"], one.data["reason"])
            found.setdefault(one.branch or "", []).append(way)
    return found


def steps_of(walk: SimulatedWalk) -> ByBranch:
    found: ByBranch = {}
    for one in walk.steps:
        found.setdefault(one.branch, []).append(_of_visit(one.visit))
    return found


def edges_of(walk: SimulatedWalk) -> ByBranch:
    found: ByBranch = {}
    for one in walk.steps:
        for route in one.decision.routes:
            found.setdefault(one.branch, []).append((route.target, route.reason.value))
    return found


def run_with_restarts(place: Workplace, scope: RunScope) -> tuple[RunResult, list[Event]]:
    """Run a graph, then each run that continues it; return the last result, and all events."""
    pipeline = PipelineSource("digraph Test {}\n", "a" * 64, place.graph, ())
    result, events = place.run(), place.events()
    while result.is_restarting:
        directory = RunDirectory(place.root.with_name(f"{place.root.name}+"))
        with place.open() as run:
            make_next_child(run, pipeline, directory, scope)
        handlers, place = place.handlers, Workplace(directory.root, place.graph)
        place.handlers = handlers
        result = place.run()
        events += place.events()
    return result, events


def require_same_path(
    of: Graph, data: st.DataObject, root: Path, handlers: HandlersOf, **forks: Plain
) -> None:
    """Simulate a graph, run it with these attributes of its forks, and compare both."""
    said = SimulatedOutcomes(
        {
            one.id: data.draw(st.lists(outcomes(of), min_size=1, max_size=3))
            for one in of.of_type("codergen")
        }
    )
    walk = asyncio.run(simulate(of, Script(outcomes=said, max_steps=5000)))
    nodes = {
        id_: node(id_, **{**_plain(one), **forks}) if one.type in FORKS else one
        for id_, one in of.nodes.items()
    }
    place = Workplace(root / "run", replace(of, nodes=nodes))
    place.handlers = dict(handlers(said))
    opened = open_project(root)
    result, events = run_with_restarts(place, RunScope.of(opened))
    assert steps_of(walk) == steps_of_run(events)
    assert edges_of(walk) == edges_of_run(events)
    assert walk.end
    assert (walk.end.status, walk.end.reason) == (result.outcome, result.reason)


@pytest.fixture
def quick_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files without waiting for the disk: no machine fails here."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


against_runs = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.usefixtures("quick_files")
@settings(against_runs, max_examples=count(ci=200, full=2000))
@given(of=small_graphs() | forked_graphs(), data=st.data())
def test_simulation_takes_the_path_of_the_run(
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


@pytest.mark.usefixtures("quick_files")
@settings(against_runs, max_examples=count(ci=10, full=600))
@given(of=forked_graphs(policies=["wait_all"], types=["parallel"]), data=st.data())
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
