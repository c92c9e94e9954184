"""Finds the preamble and the conversation that an attempt begins with."""

from collections.abc import Iterator

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.events import FidelityDegraded
from attractor.engine.prompts.fidelity import DEGRADED, Arrival, Resolved, resolve
from attractor.engine.prompts.inherited_context import (
    NOTHING_CARRIED,
    InheritedContext,
    Thread,
)
from attractor.engine.prompts.model_tasks import speaks_with_a_model
from attractor.engine.prompts.preamble import Remembered
from attractor.engine.state.identifiers import MAIN
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.graph import Node

_LOST = "the conversation of the thread is not held any more: it ended with its process"


@dataclass(frozen=True)
class Carrying:
    """What an attempt gets; `degraded` tells of a conversation that was lost."""

    carried: InheritedContext = NOTHING_CARRIED
    degraded: FidelityDegraded | None = None

    @property
    def fidelity(self) -> str:
        """How much the stage is told; nothing for one that talks to no model."""
        return "" if self.carried is NOTHING_CARRIED else self.carried.fidelity.value

    @property
    def thread(self) -> str:
        """The thread the stage takes part in, if it does in one."""
        return self.carried.thread.name if self.carried.thread else ""


def carry(line: WalkHandle, node: Node, visit: int, *, starts_over: bool) -> Carrying:
    """Return what a stage gets of those before it; a new attempt may start over."""
    if not speaks_with_a_model(node):
        return Carrying()
    around = line.journey.classes_around
    resolved = resolve(line.graph, node, _arrival(line, node), around)
    remembered = Remembered(
        goal=_goal(line),
        run_id=line.run.manifest.run_id,
        past=line.progress.past,
        context=line.progress.context,
    )
    if not resolved.thread:
        return Carrying(InheritedContext(resolved.fidelity, None, remembered))
    thread = line.journey.threads.take(
        resolved.thread, list(_walks(line)), visit=f"{node.id}@{visit}", starts_over=starts_over
    )
    is_lost = thread.recall() is None and resolved.thread in line.progress.threads
    if is_lost and (lost := _take_up(line, thread)):
        return Carrying(InheritedContext(DEGRADED, thread, remembered), _degraded(resolved, lost))
    return Carrying(InheritedContext(resolved.fidelity, thread, remembered))


def _take_up(line: WalkHandle, thread: Thread) -> str:
    """Take up a conversation that was lost, where that is wanted; else return why it is not."""
    kept = line.journey.kept
    if kept is None:
        return _LOST
    try:
        thread.give_back(kept.take(thread.name, list(_walks(line))))
    except ConversationLost as lost:
        return f"{_LOST}, and cannot be taken up again: {lost}"
    return ""


def _degraded(resolved: Resolved, why: str) -> FidelityDegraded:
    return FidelityDegraded(resolved.fidelity.value, DEGRADED.value, resolved.thread, why)


def _arrival(line: WalkHandle, node: Node) -> Arrival:
    progress = line.progress
    edge = _edge_of_branch(line, node)
    notes, completed = progress.past.notes, progress.completed
    # A conditional is no stage before: it is not noted.
    previous = notes[-1].node if notes else completed[-1] if completed else ""
    return Arrival(
        previous,
        progress.thread,
        edge[0] or progress.edge_fidelity,
        edge[1] or progress.edge_thread,
    )


def _edge_of_branch(line: WalkHandle, node: Node) -> tuple[str, str]:
    """Return what the edge into a branch says; elsewhere the step before has kept it."""
    if line.key == MAIN or line.progress.completed:
        return "", ""
    around = line.run.state.strands[line.strand.parent].in_flight
    for edge in line.graph.outgoing(around.node) if around else ():
        if edge.target == node.id:
            return edge.attributes.text("fidelity"), edge.attributes.text("thread_id")
    return "", ""


def _walks(line: WalkHandle) -> Iterator[str]:
    """Yield the key of a walk, and of each one around it."""
    key, strands = line.key, line.run.state.strands
    while True:
        yield key
        if key == MAIN:
            return
        key = strands[key].parent


def _goal(line: WalkHandle) -> str:
    """Return the goal; one that is too large for the context stands in the graph."""
    goal = line.progress.context.get("graph.goal", "")
    return goal if isinstance(goal, str) else line.graph.goal
