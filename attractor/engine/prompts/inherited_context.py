"""The kind of task that a node gives to a model, and the context that its stage inherits."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.prompts.preamble import PreambleInput, write_news, write_preamble
from attractor.language.graph.builder import derived_class
from attractor.language.graph.graph import DEFAULT_FIDELITY, Fidelity, Graph, Node, resolve_fidelity

STEER_ACTION = "steer"
"""The action of a manager loop that lets a model advise the child run."""


class ModelTask(StrEnum):
    """The kind of task that a node gives to a model."""

    NOTHING = "nothing"
    AN_ANSWER = "an answer"
    A_TASK = "a task"
    ADVICE = "occasional advice"
    ANYTHING = "anything"


_BY_TYPE = {
    **dict.fromkeys(
        ("start", "exit", "conditional", "tool", "wait", "wait.human"), ModelTask.NOTHING
    ),
    **dict.fromkeys(("parallel", "for_each", "pipeline", "scenarios"), ModelTask.NOTHING),
    "codergen": ModelTask.A_TASK,
    "prompt": ModelTask.AN_ANSWER,
}

_BY_PROMPT = {"parallel.fan_in": ModelTask.AN_ANSWER, "stack.manager_loop": ModelTask.ADVICE}


def model_task(node: Node, type_: str = "") -> ModelTask:
    """Return the kind of task of a node.

    `type_` is the type that executes the node (default: the type of the node). A custom type can
    have any task.
    """
    type_ = type_ or node.type
    if type_ not in _BY_PROMPT:
        return _BY_TYPE.get(type_, ModelTask.ANYTHING)
    is_asked = bool(node.prompt.strip())
    if type_ == "stack.manager_loop":
        is_asked = is_asked and STEER_ACTION in node.attributes.text("manager.actions")
    return _BY_PROMPT[type_] if is_asked else ModelTask.NOTHING


def is_conversation_turn(node: Node) -> bool:
    """Return whether a stage of this node continues the conversation of its thread."""
    return _BY_TYPE.get(node.type, ModelTask.ANYTHING) is not ModelTask.NOTHING and (
        node.type not in _BY_PROMPT
    )


DEGRADED = Fidelity.SUMMARY_HIGH
"""The fidelity that replaces `full` if the conversation is lost (attractor-spec 5.3)."""


@dataclass(frozen=True)
class StageArrival:
    """The edge by which a walk arrived at a stage, and the preceding stages.

    `previous` is the preceding node, `thread` the thread of the last stage that used a model.
    """

    previous: str = ""
    thread: str = ""
    edge_fidelity: str = ""
    edge_thread: str = ""


@dataclass(frozen=True)
class StageFidelity:
    """The fidelity of a stage, and, with fidelity `full`, the thread of the stage."""

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: str = ""


def resolve(
    graph: Graph, node: Node, arrival: StageArrival, around: Mapping[str, str]
) -> StageFidelity:
    """Return the fidelity and the thread of a stage.

    `around` maps each node to the class of the subgraph that contains the node.
    """
    fidelity = resolve_fidelity(graph, node, arrival.edge_fidelity)
    if fidelity is not Fidelity.FULL:
        return StageFidelity(fidelity)
    return StageFidelity(fidelity, resolve_thread(graph, node, arrival, around))


def resolve_thread(
    graph: Graph, node: Node, arrival: StageArrival, around: Mapping[str, str]
) -> str:
    """Return the thread of a stage: the name set on the node, edge, graph or subgraph.

    If none of these names a thread, the thread of the earlier stage continues. Without an earlier
    thread, a new thread is named after the preceding node.
    """
    return (
        node.attributes.text("thread_id")
        or arrival.edge_thread
        or graph.attributes.text("thread_id")
        or around.get(node.id)
        or arrival.thread
        or arrival.previous
        or node.id
    )


def subgraph_classes(graph: Graph) -> Mapping[str, str]:
    """Return the class of each node in a labelled subgraph.

    The innermost labelled subgraph decides.
    """
    classes: list[str] = []
    around: dict[str, str] = {}
    for subgraph in graph.subgraphs:
        outer = classes[subgraph.parent] if subgraph.parent >= 0 else ""
        classes.append(derived_class(subgraph.label) or outer)
        if classes[-1]:
            around.update(dict.fromkeys(subgraph.nodes, classes[-1]))
    return around


MOST_HELD = 100
"""The maximum number of conversations in memory; the least recently used is dropped first."""


@dataclass
class _Held:
    """A conversation: the current state, and the state at the start of the current visit."""

    conversation: object | None = None
    before: object | None = None
    visit: str = ""


class Thread:
    """The conversation of a stage, as an opaque value of its backend."""

    def __init__(self, name: str, held: _Held | None = None) -> None:
        self.name = name
        self._held = held or _Held()

    def recall(self) -> object | None:
        """Return the conversation up to the last stage of the thread, or None."""
        return self._held.conversation

    def keep(self, conversation: object) -> None:
        """Store the conversation, an immutable value, for the next stage."""
        self._held.conversation = conversation

    def restore(self, conversation: object) -> None:
        """Set a lost conversation, as if the current visit had begun with this conversation."""
        self._held.conversation = self._held.before = conversation


class Threads:
    """The conversations of one run in memory, by walk and thread.

    A branch continues a copy of its parent walk's conversation; a parent never continues the
    conversation of a branch. A resume loses all conversations that cannot be restored from the
    files of their stages.
    """

    def __init__(self, *, most: int = MOST_HELD) -> None:
        self._most = most
        self._held: dict[tuple[str, str], _Held] = {}

    def take(
        self, name: str, walks: Sequence[str], *, visit: str, starts_over: bool = False
    ) -> Thread:
        """Return the thread for an attempt.

        With `starts_over`, the conversation of the thread is reset to the start of the visit.
        """
        own = (walks[0], name)
        held = self._held.pop(own, None) or _Held(self._around(name, walks))
        if held.visit != visit:
            held.before, held.visit = held.conversation, visit
        elif starts_over:
            held.conversation = held.before
        self._held[own] = held
        while len(self._held) > self._most:
            del self._held[next(iter(self._held))]
        return Thread(name, held)

    def forget(self, walk: str) -> None:
        """Drop the conversations of a walk that has ended."""
        for key in [one for one in self._held if one[0] == walk]:
            del self._held[key]

    def _around(self, name: str, walks: Sequence[str]) -> object | None:
        found = (self._held.get((walk, name)) for walk in walks[1:])
        return next((one.conversation for one in found if one and one.conversation), None)


@dataclass(frozen=True)
class InheritedContext:
    """The preamble and the thread that a stage inherits from earlier stages.

    A backend continues the conversation of the thread, and stores the new conversation in the
    thread.
    """

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: Thread | None = None
    remembered: PreambleInput = field(default_factory=PreambleInput)

    @cached_property
    def preamble(self) -> str:
        """Return the text before the prompt; a continued conversation gets only later events."""
        if self.fidelity is not Fidelity.FULL:
            return write_preamble(self.fidelity, self.remembered)
        if self.thread is None or self.thread.recall() is None:
            return self.summary
        return write_news(self.thread.name, self.remembered)

    @cached_property
    def summary(self) -> str:
        """Return the summary that replaces a conversation or the older part of a conversation."""
        return write_preamble(DEGRADED, self.remembered)


NOTHING_INHERITED = InheritedContext()
"""The inherited context of a stage that uses no model."""
