"""The inbox of an actor: a folder with a file for each message that is not answered."""

from collections.abc import Callable, Sequence
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, VerificationError
from attractor.base.files import file_error, read_regular, remove_file, write_whole
from attractor.base.ids import new_run_id
from attractor.base.json import canonical_json, parse_object
from attractor.base.locks import FileLock
from attractor.base.records import read_record, write_record
from attractor.worlds.messages import OF_A_PERSON, Message, MessageKind, Sender, Trail

LONGEST = 1 << 20
_PATIENCE_S = 30.0
_SUFFIX = ".json"


@dataclass(frozen=True)
class Inbox:
    """The inbox of an actor; its messages are numbered in the order in which they are sent."""

    folder: Path

    def send(
        self,
        text: str,
        sender: Sender,
        *,
        clock: Clock,
        randomness: Callable[[int], bytes],
        kind: MessageKind = MessageKind.TASK,
        about: str = "",
        trail: Trail = OF_A_PERSON,
    ) -> Message:
        """Store a message; it survives a power failure when this returns."""
        if not text.strip():
            raise UsageError("the message is empty", hint="write what the actor is to do")
        if len(text.encode()) > LONGEST:
            raise UsageError(
                f"the message is longer than {LONGEST >> 20} MiB",
                hint="put the text into a file of the project, and name the file",
            )
        now = clock.now()
        # Not its parents: an actor that was renamed meanwhile is none any more.
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            raise UsageError("the actor is gone", hint="see: attractor actor list") from None
        with FileLock(self.folder / "lock").acquire(wait=_PATIENCE_S):
            number = self._next_number()
            id_ = trail.id or new_run_id(now, randomness)
            known = (id_, number, kind, sender, text, now, about)
            message = Message(*known, trail.hops, trail.steps)
            write_whole(self._place(message), canonical_json(write_record(message)))
        return message

    def waiting(self) -> Sequence[Message]:
        """Return the messages in their order."""
        found: list[Message] = []
        for place in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                content = read_regular(place)
            except FileNotFoundError:
                continue  # answered meanwhile
            except OSError as cause:
                raise file_error("read", place, cause) from cause
            record = parse_object(content)
            if record is None:
                raise VerificationError(f"{place} is no message", hint="restore it, or remove it")
            found.append(read_record(Message, record))
        return found

    def has_messages(self) -> bool:
        """Return whether a message waits."""
        return next(self.folder.glob(f"*{_SUFFIX}"), None) is not None

    def remove(self, message: Message) -> None:
        """Remove an answered message."""
        remove_file(self._place(message))

    def _place(self, message: Message) -> Path:
        return self.folder / f"{message.number:010d}-{message.id}{_SUFFIX}"

    def _next_number(self) -> int:
        """Return the next number, which is also higher than that of a removed message."""
        place = self.folder / "last"
        try:
            last = int(read_regular(place) or b"0")
        except FileNotFoundError:
            last = 0
        except (OSError, ValueError) as cause:
            raise VerificationError(f"{place} is no number: {cause}", hint="remove it") from cause
        names = [one.name.partition("-")[0] for one in self.folder.glob(f"*{_SUFFIX}")]
        number = max([last, *map(int, names)]) + 1
        write_whole(place, str(number), sync=False)
        return number
