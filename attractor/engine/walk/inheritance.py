"""Finds the preamble and the conversation that an attempt inherits from earlier stages."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.events import FidelityDegraded
from attractor.engine.prompts.fidelity import DEGRADED, StageArrival, resolve
from attractor.engine.prompts.inherited_context import NOTHING_INHERITED, InheritedContext, Thread
from attractor.engine.prompts.model_tasks import is_conversation_turn
from attractor.engine.prompts.preamble import PreambleInput
from attractor.engine.state.identifiers import MAIN
from attractor.engine.walk.walk import Walk
from attractor.language.graph.graph import Node

_LOST = "the conversation of the thread ended with its process"


@dataclass(frozen=True)
class Inheritance:
    """The context that an attempt inherits; `degraded` reports a lost conversation."""

    context: InheritedContext = NOTHING_INHERITED
    degraded: FidelityDegraded | None = None

    @property
    def fidelity(self) -> str:
        """The fidelity of the stage; empty for a stage that uses no model."""
        return "" if self.context is NOTHING_INHERITED else self.context.fidelity.value

    @property
    def thread(self) -> str:
        """The thread of the stage; empty without one."""
        return self.context.thread.name if self.context.thread else ""


def inherit_context(walk: Walk, node: Node, visit: int, *, starts_over: bool) -> Inheritance:
    """Return the inheritance of an attempt; one that starts over gets that of its visit."""
    if not is_conversation_turn(node):
        return Inheritance()
    resolved = resolve(walk.graph, node, _arrival(walk, node), walk.subgraph_classes)
    remembered = PreambleInput(
        goal=_goal(walk),
        run_id=walk.run.manifest.run_id,
        past=walk.progress.past,
        context=walk.progress.context,
    )
    if not resolved.thread:
        return Inheritance(InheritedContext(resolved.fidelity, None, remembered))
    thread = walk.threads.take(
        resolved.thread, _keys_outward(walk), visit=f"{node.id}@{visit}", starts_over=starts_over
    )
    is_lost = thread.recall() is None and resolved.thread in walk.progress.threads
    if is_lost and (why := _restore(walk, thread)):
        degraded = FidelityDegraded(resolved.fidelity.value, DEGRADED.value, resolved.thread, why)
        return Inheritance(InheritedContext(DEGRADED, thread, remembered), degraded)
    return Inheritance(InheritedContext(resolved.fidelity, thread, remembered))


def _restore(walk: Walk, thread: Thread) -> str:
    """Restore a lost conversation from the files of its stage, or return why that failed."""
    if walk.saved_conversations is None:
        return _LOST
    try:
        thread.restore(walk.saved_conversations.take(thread.name, _keys_outward(walk)))
    except ConversationLost as lost:
        return f"{_LOST}, and cannot be restored: {lost}"
    return ""


def _arrival(walk: Walk, node: Node) -> StageArrival:
    progress = walk.progress
    fidelity, thread = _edge_into_branch(walk, node)
    notes, completed = progress.past.notes, progress.completed
    # Conditionals have no note: they are transparent here too.
    previous = notes[-1].node if notes else completed[-1] if completed else ""
    return StageArrival(
        previous,
        progress.thread,
        fidelity or progress.edge_fidelity,
        thread or progress.edge_thread,
    )


def _edge_into_branch(walk: Walk, node: Node) -> tuple[str, str]:
    """Return the fidelity and the thread of the edge into a branch; empty elsewhere."""
    if walk.key == MAIN or walk.progress.completed:
        return "", ""
    fork = walk.run.state.walks[walk.state.parent].in_flight
    for edge in walk.graph.outgoing(fork.node) if fork else ():
        if edge.target == node.id:
            return edge.attributes.text("fidelity"), edge.attributes.text("thread_id")
    return "", ""


def _keys_outward(walk: Walk) -> Sequence[str]:
    """Return the key of a walk, and the keys of the walks around it, the nearest first."""
    keys, walks = [walk.key], walk.run.state.walks
    while keys[-1] != MAIN:
        keys.append(walks[keys[-1]].parent)
    return keys


def _goal(walk: Walk) -> str:
    """Return the goal; if it is too large for the context, that of the graph."""
    goal = walk.progress.context.get("graph.goal", "")
    return goal if isinstance(goal, str) else walk.graph.goal
