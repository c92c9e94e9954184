"""Simulated walks and their coverage as JSON."""

from collections import Counter
from collections.abc import Mapping

from attractor.base.amounts import number_of
from attractor.engine.outcome import outcome_to_record
from attractor.engine.routing.edge_selection import Loop, find_loops
from attractor.engine.simulation.coverage import Coverage
from attractor.engine.simulation.walk import SimulatedStep, SimulatedWalk
from attractor.language.graph.graph import Edge, Graph


def walk_record(walk: SimulatedWalk) -> dict[str, object]:
    """Return a walk as a JSON object."""
    loops = count_loops(walk)
    return {
        "pipeline": walk.graph.name,
        "outcome": walk.end.status.value if walk.end else "",
        "reason": walk.end.reason if walk.end else describe_cut(walk),
        "node": walk.end.node if walk.end else walk.steps[-1].decision.move.target,
        "is_cut": walk.end is None,
        "path": list(walk.path),
        "steps": [_step_record(number, step) for number, step in enumerate(walk.steps, 1)],
        "loops": [{"nodes": list(loop), "times": times} for loop, times in loops.items()],
        "never_visited": list(walk.never_visited),
        "never_taken": [edge_record(edge) for edge in walk.never_taken],
        **({"without_receipt": [*walk.without_receipt]} if walk.without_receipt else {}),
    }


def edge_record(edge: Edge) -> dict[str, object]:
    """Return an edge as a JSON object."""
    return {
        "source": edge.source,
        "target": edge.target,
        "label": edge.label,
        "condition": edge.attributes.text("condition"),
        "line": edge.span.line,
    }


def coverage_record(graph: Graph, coverage: Coverage) -> dict[str, object]:
    """Return reachable and unreachable nodes and edges as a JSON object."""
    return {
        "pipeline": graph.name,
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "unreachable_nodes": list(coverage.unreachable_nodes),
        "unreachable_edges": [edge_record(edge) for edge in coverage.unreachable_edges],
        "only_suggested": [edge_record(edge) for edge in coverage.only_suggested],
        "untried": [edge_record(edge) for edge in coverage.untried],
    }


def count_loops(walk: SimulatedWalk) -> Mapping[Loop, int]:
    """Return the loops of the walk and of each branch separately."""
    return sum(map(Counter, map(find_loops, walk.paths)), Counter[Loop]())


def describe_cut(walk: SimulatedWalk) -> str:
    """Return the reason why a walk has no end."""
    return f"the limit of {number_of(len(walk.steps), 'step')} was reached"


def _step_record(number: int, step: SimulatedStep) -> dict[str, object]:
    visit, move = step.visit, step.decision.move
    record = outcome_to_record(visit.outcome)
    return {
        "number": number,
        "node": visit.node,
        "branch": step.branch,
        "visit": visit.number,
        "attempts": visit.attempts,
        **{key: value for key, value in record.items() if key != "usage"},
        "hands_on": step.status.value if visit.is_transparent else "",
        "routes": [
            {
                "target": route.target,
                "reason": route.reason.value,
                "edge": edge_record(route.edge) if route.edge else None,
                "candidates": [
                    {**edge_record(candidate.edge), "fate": candidate.fate.value}
                    for candidate in route.candidates
                ],
            }
            for route in step.decision.routes
        ],
        "next": move.target,
        "reason": move.reason,
        "restart": move.is_restart,
        "end": move.end.reason if move.end else "",
    }
