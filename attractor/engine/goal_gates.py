"""Whether a walk may leave by the exit, and where it is sent when it may not (ruling R4)."""

from attractor.engine.progress import Progress, StageRecord
from attractor.engine.routing import Route, RouteReason, find_jump
from attractor.language.graph.graph import Graph, Node

DEFAULT_REDIRECTS = 10
DEFAULT_VISITS = 100


def find_unsatisfied(graph: Graph, progress: Progress) -> Node | None:
    """Return the first visited goal gate, in order of first visit, that has not succeeded.

    One in a branch that is not gone on with does not count (ruling R6).
    """
    open_ones = (
        graph.nodes.get(id_)
        for id_, record in progress.stages.items()
        if not record.outcome.is_success and _counts(record, progress)
    )
    return next((node for node in open_ones if node and node.is_goal_gate), None)


def _counts(record: StageRecord, progress: Progress) -> bool:
    return not record.branches or not set(record.branches) <= set(progress.left_out)


def wants_verdict(graph: Graph, node: Node) -> bool:
    """Tell whether text alone is no success here: at a goal gate under `require_verdict`."""
    nearest = node if node.attributes.value("require_verdict") else graph
    return (
        node.is_goal_gate
        and nearest.attributes.flag("require_verdict")
        and not node.attributes.flag("auto_status")
    )


def redirect(graph: Graph, gate: Node) -> Route | None:
    """Return where an unsatisfied gate sends the walk instead of the exit, if anywhere."""
    jump = find_jump(graph, gate)
    if jump is None or graph.nodes[jump.target] in graph.exits:
        return None
    return Route(jump.target, RouteReason.GOAL_GATE)


def redirect_limit(graph: Graph) -> int:
    """Return how often gates may send the walk back, all together."""
    limit = graph.attributes.number("max_goal_gate_redirects")
    return DEFAULT_REDIRECTS if limit is None else limit


def visit_limit(graph: Graph, node: Node) -> tuple[int, str]:
    """Return how often a node may be visited, and the name of the attribute that says so."""
    own = node.attributes.number("max_visits")
    if own is not None:
        return own, "max_visits"
    limit = graph.attributes.number("max_node_visits")
    return (DEFAULT_VISITS if limit is None else limit), "max_node_visits"
