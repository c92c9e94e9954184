"""What a stage gets of those before it: a text, and under `full` fidelity a conversation."""

from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.fidelity import DEGRADED
from attractor.engine.preamble import Remembered, write_news, write_preamble
from attractor.engine.threads import Thread
from attractor.language.graph.attribute_catalogue import DEFAULT_FIDELITY, Fidelity


@dataclass(frozen=True)
class Carried:
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


NOTHING_CARRIED = Carried()
"""What a stage gets that is told nothing."""
