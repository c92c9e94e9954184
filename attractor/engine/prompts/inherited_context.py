"""The preamble and the conversation that a stage inherits from the stages before it."""

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.prompts.fidelity import DEGRADED
from attractor.engine.prompts.preamble import Remembered, write_news, write_preamble
from attractor.language.graph.fidelity import DEFAULT_FIDELITY, Fidelity

MOST_HELD = 100
"""How many conversations are held; the one that was used longest ago is let go first."""


@dataclass
class _Held:
    """One conversation, and as it was when the visit began that works on it now."""

    conversation: object | None = None
    before: object | None = None
    visit: str = ""


class Thread:
    """The conversation that a stage takes part in; what it is made of is the backend's business."""

    def __init__(self, name: str, held: _Held | None = None) -> None:
        self.name = name
        self._held = held or _Held()

    def recall(self) -> object | None:
        """Return the conversation as the last stage of the thread left it, if there is one."""
        return self._held.conversation

    def keep(self, conversation: object) -> None:
        """Leave the conversation for the next stage: a value that nobody changes any more."""
        self._held.conversation = conversation

    def restore(self, conversation: object) -> None:
        """Take up what was lost: it is what the visit at work begins with, at each attempt."""
        self._held.conversation = self._held.before = conversation


class Threads:
    """All conversations of one run; a walk is named by its key, then those that it left."""

    def __init__(self, *, most: int = MOST_HELD) -> None:
        self._most = most
        self._held: dict[tuple[str, str], _Held] = {}

    def take(
        self, name: str, walks: Sequence[str], *, visit: str, starts_over: bool = False
    ) -> Thread:
        """Return the thread for an attempt; one that starts over finds it as its visit did."""
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
        """Let go of what a walk that is over talked about."""
        for key in [one for one in self._held if one[0] == walk]:
            del self._held[key]

    def _around(self, name: str, walks: Sequence[str]) -> object | None:
        found = (self._held.get((walk, name)) for walk in walks[1:])
        return next((one.conversation for one in found if one and one.conversation), None)


@dataclass(frozen=True)
class InheritedContext:
    """How much a stage is told, and the thread it takes part in, if it does in one.

    A thread outlives its stage: a backend goes on with what it recalls, and keeps what it came to.
    """

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: Thread | None = None
    remembered: Remembered = field(default_factory=Remembered)

    @cached_property
    def preamble(self) -> str:
        """What stands before the prompt: in a conversation that goes on, only what is new."""
        if self.fidelity is not Fidelity.FULL:
            return write_preamble(self.fidelity, self.remembered)
        if self.thread is None or self.thread.recall() is None:
            return self.summary
        return write_news(self.thread.name, self.remembered)

    @cached_property
    def summary(self) -> str:
        """What takes the place of a conversation, or of its older part."""
        return write_preamble(DEGRADED, self.remembered)


NOTHING_INHERITED = InheritedContext()
"""What a stage gets that is told nothing."""
