"""Messages to an actor: their order, and which of them the next run is for."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import canonical_json, content_hash
from attractor.base.records import write_fields
from attractor.engine.questions.question import UNVERIFIED, describe_author


class MessageKind(StrEnum):
    """The kind of a message: a task, the answer to a task of this actor, or that a person works
    with it in the terminal of its program.
    """

    TASK = "task"
    TERMINAL = "terminal"
    RESULT = "result"


class SenderKind(StrEnum):
    """The kind of a sender."""

    PERSON = "person"
    ACTOR = "actor"
    HARNESS = "harness"


@dataclass(frozen=True)
class Sender:
    """The sender of a message, as its process proved it; no parameter names a sender."""

    kind: SenderKind
    name: str
    proof: str = UNVERIFIED

    def is_actor(self, name: str) -> bool:
        """Return whether this is the actor with a name."""
        return self.kind is SenderKind.ACTOR and self.name == name

    def __str__(self) -> str:
        if self.kind is SenderKind.PERSON:
            return describe_author(self.name, self.proof)
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Trail:
    """How a message between agents came about: `id` is that of the message (default: a new one).

    `hops` agents gave each other tasks until this one; `steps` are all tasks and answers of agents,
    with this one, that followed from a person's message.
    """

    id: str = ""
    hops: int = 0
    steps: int = 0


OF_A_PERSON = Trail()
"""The trail of a message that no agent sent."""


@dataclass(frozen=True)
class Message:
    """A message; `number` is its place in the order of the inbox. `about` is the answered one.

    `hops` and `steps` are those of its Trail.
    """

    id: str
    number: int
    kind: MessageKind
    sender: Sender
    text: str
    sent: datetime
    about: str = ""
    hops: int = 0
    steps: int = 0

    @property
    def hash(self) -> str:
        """The hash of the message, which the manifest of its run names."""
        record = write_fields(self)
        if not self.steps:
            # The hash that it had before messages between agents.
            del record["hops"], record["steps"]
        return content_hash(canonical_json(record).encode())

    @property
    def goal(self) -> str:
        """The goal of the run: the words of a person, otherwise a quotation with its sender."""
        if self.sender.kind is SenderKind.PERSON and self.kind is not MessageKind.RESULT:
            return self.text
        about = f" about your message {self.about}" if self.about else ""
        quoted = "\n".join(f"> {line}" for line in self.text.splitlines())
        return f"A {self.kind}{about} from {self.sender}, which is not a person:\n\n{quoted}"


@dataclass(frozen=True)
class TaskAtWork:
    """The message that an actor works on, and the run for it, which may not exist yet.

    `obstacle` is why the run cannot begin or go on now. With `tries_again`, a process tries it.
    """

    message: Message
    run_id: str
    obstacle: str = ""
    tries_again: bool = False


@dataclass(frozen=True)
class NextStep:
    """The next step of an actor's process.

    `settled` are messages that were answered before, and of which a killed process left the file,
    or the note that it works on them. With `at_work`, that run goes on; with `message`, a run
    begins.
    """

    settled: Sequence[Message] = ()
    at_work: TaskAtWork | None = None
    message: Message | None = None


def find_next_step(
    waiting: Sequence[Message], at_work: TaskAtWork | None, answered: Collection[str]
) -> NextStep:
    """Return the next step: the task in work first, otherwise the oldest message.

    A message that was answered is never taken again, whatever a killed process left behind.
    """
    settled = [message for message in waiting if message.id in answered]
    if at_work and at_work.message.id not in answered:
        return NextStep(settled, at_work)
    if at_work:
        settled.append(at_work.message)
    left = [message for message in waiting if message.id not in answered]
    return NextStep(settled, message=min(left, key=lambda one: one.number, default=None))
