"""What a manager loop is to do: read from its node and its graph, before anything begins."""

from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.engine.prompts.inherited_context import STEER
from attractor.language.conditions.condition import Condition, parse_condition
from attractor.language.errors import InvalidCondition
from attractor.language.graph.graph import Graph, Node

OBSERVE, WAIT = "observe", "wait"
ACTIONS = (OBSERVE, STEER, WAIT)
MAX_CYCLES = 1000
POLL = timedelta(seconds=45)
# Without the action `wait` there is only a moment between two looks, for others' sake.
_MOMENT = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Plan:
    """Which child is supervised, what is done in a cycle, and when that is over."""

    file: str
    actions: frozenset[str]
    pause: timedelta
    max_cycles: int
    cooldown: timedelta
    stop: Condition | None = None


def read_plan(node: Node, graph: Graph) -> Plan:
    """Read what a manager loop is to do (attractor-spec 4.11)."""
    file = graph.attributes.text("stack.child_dotfile").strip()
    if not file:
        raise UsageError("the graph names no child", hint="set stack.child_dotfile on the graph")
    _refuse_what_is_not_supported(node, graph)
    attributes = node.attributes
    actions = _actions(attributes.text("manager.actions") or f"{OBSERVE},{WAIT}")
    if not node.prompt.strip():
        # Nothing says what to look out for.
        actions -= {STEER}
    poll = attributes.duration("manager.poll_interval") or POLL
    cooldown = attributes.duration("manager.steer_cooldown")
    return Plan(
        file=file,
        actions=actions,
        pause=poll if WAIT in actions else _MOMENT,
        max_cycles=attributes.number("manager.max_cycles") or MAX_CYCLES,
        cooldown=poll if cooldown is None else cooldown,
        stop=_stop(attributes.text("manager.stop_condition").strip()),
    )


def _stop(written: str) -> Condition | None:
    try:
        return parse_condition(written) if written else None
    except InvalidCondition as cause:
        raise UsageError(f"manager.stop_condition: {cause}", hint=cause.hint) from cause


def _refuse_what_is_not_supported(node: Node, graph: Graph) -> None:
    if node.attributes.text("stack.child_autostart") == "false":
        raise UsageError(
            "stack.child_autostart=false is not supported: a manager begins its child itself",
            hint="take it out",
        )
    if graph.attributes.text("stack.child_workdir"):
        raise UsageError(
            "stack.child_workdir is not supported: a child works where its parent does",
            hint="take it out",
        )


def _actions(written: str) -> frozenset[str]:
    named = [one.strip() for one in written.split(",") if one.strip()]
    for one in named:
        if one not in ACTIONS:
            unknown = UnknownName("action", one, ACTIONS)
            raise UsageError(f"manager.actions: {unknown.message}", hint=unknown.hint)
    return frozenset(named)
