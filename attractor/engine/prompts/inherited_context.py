"""The preamble and the conversation that a stage inherits from the stages before it."""

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.prompts.fidelity import DEGRADED
from attractor.engine.prompts.preamble import PreambleInput, write_news, write_preamble
from attractor.language.graph.fidelity import DEFAULT_FIDELITY, Fidelity

MOST_HELD = 100
"""The maximum number of conversations in memory; the least recently used is dropped first."""


@dataclass
class _Held:
    """One conversation, now and at the start of the current visit."""

    conversation: object | None = None
    before: object | None = None
    visit: str = ""


class Thread:
    """The conversation of a stage, as a value of its backend."""

    def __init__(self, name: str, held: _Held | None = None) -> None:
        self.name = name
        self._held = held or _Held()

    def recall(self) -> object | None:
        """Return the conversation that the last stage of the thread left, if there is one."""
        return self._held.conversation

    def keep(self, conversation: object) -> None:
        """Keep the conversation, an immutable value, for the next stage."""
        self._held.conversation = conversation

    def restore(self, conversation: object) -> None:
        """Restore a lost conversation, as if the current visit had begun with it."""
        self._held.conversation = self._held.before = conversation


class Threads:
    """The conversations of one run in memory, by walk and thread.

    A branch continues a copy of the conversation of the walk around it; no walk continues the
    conversation of a branch. After a resume, conversations are lost unless they are restored from
    the files of their stages.
    """

    def __init__(self, *, most: int = MOST_HELD) -> None:
        self._most = most
        self._held: dict[tuple[str, str], _Held] = {}

    def take(
        self, name: str, walks: Sequence[str], *, visit: str, starts_over: bool = False
    ) -> Thread:
        """Return the thread for an attempt; if that starts over, as its visit began."""
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
        """Drop the conversations of a walk that is over."""
        for key in [one for one in self._held if one[0] == walk]:
            del self._held[key]

    def _around(self, name: str, walks: Sequence[str]) -> object | None:
        found = (self._held.get((walk, name)) for walk in walks[1:])
        return next((one.conversation for one in found if one and one.conversation), None)


@dataclass(frozen=True)
class InheritedContext:
    """The preamble and the thread that a stage inherits from earlier stages.

    A backend continues the conversation in the thread, and keeps the new one there.
    """

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: Thread | None = None
    remembered: PreambleInput = field(default_factory=PreambleInput)

    @cached_property
    def preamble(self) -> str:
        """The text before the prompt; in a continued conversation, only the news."""
        if self.fidelity is not Fidelity.FULL:
            return write_preamble(self.fidelity, self.remembered)
        if self.thread is None or self.thread.recall() is None:
            return self.summary
        return write_news(self.thread.name, self.remembered)

    @cached_property
    def summary(self) -> str:
        """The summary that replaces a conversation, or its older part."""
        return write_preamble(DEGRADED, self.remembered)


NOTHING_INHERITED = InheritedContext()
"""The inherited context of a stage that uses no model."""
