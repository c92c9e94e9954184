"""What an edge with `loop_restart` leads to: another run, which begins at its target (ruling R7).

Pure: a run, a resume and a simulation begin anew in the same way.
"""

from collections.abc import Iterator

from attractor.engine.errors import NotRunnable
from attractor.engine.past import NOTHING_PAST, remember_keys
from attractor.engine.progress import Progress
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.forks import FORKS, find_forks
from attractor.language.graph import Edge, Graph

RESTARTED = "restarted"
"""Why a run ended as which another one went on."""

EDGE_REASON = "loop_restart"
"""What brought such a run to its first node."""

DEFAULT_RESTARTS = 5

_KEPT = ("graph.", "context.keep.")


def is_restart(edge: Edge) -> bool:
    """Tell whether an edge ends the run and starts it anew."""
    return edge.attributes.flag("loop_restart")


def restart_limit(graph: Graph) -> int:
    """Return how often a run may be begun anew, all together."""
    limit = graph.attributes.number("max_restarts")
    return DEFAULT_RESTARTS if limit is None else limit


def begin_again(progress: Progress) -> Progress:
    """Return the progress that a run begins with as which another one goes on.

    Of the context only what is to be kept is left. The files stay as they are, and what was used
    counts on: a budget is one for all the rounds together.
    """
    kept = {key: one for key, one in progress.context.items() if key.startswith(_KEPT)}
    return Progress(
        next_node=progress.next_node,
        edge_reason=EDGE_REASON,
        tree=progress.tree,
        context=kept,
        edge_fidelity=progress.edge_fidelity,
        edge_thread=progress.edge_thread,
        past=remember_keys(NOTHING_PAST, kept, ()),
        usage=progress.usage,
        seconds=progress.seconds,
        restarts=progress.restarts + 1,
    )


def require_none(graph: Graph) -> None:
    """Refuse to run a pipeline as part of another one when it may begin anew."""
    faults = [
        error(
            f"loop_restart on {edge.source} -> {edge.target} in a pipeline that is part of a run",
            edge.span,
            fix="go back by an edge without it, or begin the whole run anew",
        )
        for edge in graph.edges
        if is_restart(edge)
    ]
    if faults:
        raise NotRunnable(graph.name or "the graph", faults)


def find_misplaced(graph: Graph) -> Iterator[Diagnostic]:
    """Yield each edge at which no run can begin anew."""
    restarting = [edge for edge in graph.edges if is_restart(edge)]
    if not restarting:
        return
    in_branches = {
        node for fork in find_forks(graph) for nodes in fork.branches.values() for node in nodes
    }
    exits = {exit_.id for exit_ in graph.exits}
    for edge in restarting:
        what = f"loop_restart on {edge.source} -> {edge.target}"
        if edge.target in exits:
            fix = "lead it to where the next round begins"
            yield error(f"{what}: behind the exit nothing can begin anew", edge.span, fix=fix)
        elif edge.source in graph.nodes and graph.nodes[edge.source].type in FORKS:
            fix = "put it on an edge behind the node where the branches meet"
            yield error(f"{what}: this edge is a branch, no way out", edge.span, fix=fix)
        elif edge.source in in_branches:
            fix = "put it on an edge behind the node where the branches meet"
            yield error(f"{what}: no run can begin anew out of a branch", edge.span, fix=fix)
