"""What an edge with `loop_restart` leads to: another run, which begins at its target (ruling R7).

Pure: a run, a resume and a simulation begin anew in the same way.
"""

from attractor.engine.past import NOTHING_PAST, remember_keys
from attractor.engine.progress import Progress
from attractor.language.graph.graph import Graph

RESTARTED = "restarted"
"""Why a run ended as which another one went on."""

EDGE_REASON = "loop_restart"
"""What brought such a run to its first node."""

DEFAULT_RESTARTS = 5

_KEPT = ("graph.", "context.keep.")


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
