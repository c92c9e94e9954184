"""Keeps on the disk what is said in a thread, turn by turn, and makes it a conversation again.

A stage writes its own turns only: where it goes on with those of the stage before, it names that.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import takewhile

from attractor.agent.turns import Turn
from attractor.backends.agent_threads import Spoken, without_loose_end
from attractor.backends.model_choice import ModelChoice
from attractor.backends.turn_records import turn_from_record, turn_to_record
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json
from attractor.engine.errors import ConversationLost, RecordBroken
from attractor.engine.interfaces import Stage
from attractor.engine.json_files import Fields
from attractor.engine.walk_context import ReadKept

CONVERSATION = "conversation.jsonl"
"""The turns that a stage adds to its thread, as its model was given them."""

_BEGIN, _END = "begin", "end"


class Keeping:
    """Writes the turns of one stage down as they come; a stage without a thread keeps none."""

    def __init__(self, stage: Stage, choice: ModelChoice, begins_with: Sequence[Turn]) -> None:
        """Begin with what the stage goes on with: `recall` made it of what the thread holds."""
        self._files = stage.files if stage.carried.thread else None
        self._count = 0
        before = stage.carried.thread.recall() if stage.carried.thread else None
        taken = before if isinstance(before, Spoken) else None
        same = _same_at_the_end(taken.turns if taken else (), begins_with)
        self._write(
            kind=_BEGIN,
            stage=stage.id,
            provider=choice.provider,
            model=choice.model,
            stages=(taken.stages if taken else 0) + 1,
            after=taken.last if taken and same else "",
            taken=same,
            put_before=len(begins_with) - same,
        )
        for turn in begins_with[: len(begins_with) - same]:
            self.take(turn)

    def take(self, turn: Turn) -> None:
        """Write a turn down."""
        self._count += 1
        self._write(**turn_to_record(turn))

    def end(self) -> None:
        """Say that this was all: without it, what is there counts for nothing."""
        self._write(kind=_END, turns=self._count)

    def _write(self, **line: Json) -> None:
        if self._files:
            self._files.append(CONVERSATION, json.dumps(line, ensure_ascii=False))


def rebuild(last: str, read: ReadKept) -> Spoken:
    """Return the conversation as a stage left it, from what it and those before it kept."""
    kept = list(_kept_by(last, read))
    turns: Sequence[Turn] = ()
    for one in reversed(kept):
        if one.taken > len(turns):
            raise ConversationLost(f"what {one.stage} went on with is not there whole")
        middle = turns[len(turns) - one.taken :]
        turns = without_loose_end([*one.before, *middle, *one.own])
    if not turns:
        raise ConversationLost(f"{last} left nothing that was said")
    whole = kept[0]
    return Spoken(turns, whole.model, whole.stages, whole.stage, is_restored=True)


@dataclass(frozen=True)
class _Kept:
    """What one stage kept: some turns of the stage before between those put before, and its own."""

    stage: str
    model: tuple[str, str]
    stages: int
    after: str
    taken: int
    before: Sequence[Turn]
    own: Sequence[Turn]


def _kept_by(last: str, read: ReadKept) -> Iterator[_Kept]:
    """Yield what a stage kept, then what those kept that it goes on from."""
    seen, stage = set[str](), last
    while stage:
        if stage in seen:
            raise ConversationLost(f"{stage} is said to go on from itself")
        seen.add(stage)
        try:
            kept = _read(stage, read(stage, CONVERSATION))
        except (NotCanonical, RecordBroken) as fault:
            raise ConversationLost(f"{CONVERSATION} of {stage}: {fault}") from fault
        yield kept
        stage = kept.after


def _read(stage: str, content: bytes) -> _Kept:
    lines = [Fields(parse_json(line), f"line {at}") for at, line in _lines(content)]
    if len(lines) < 2 or not (lines[0].has("kind") and lines[-1].has("kind")):
        raise RecordBroken("it is not whole")
    head, *middle, end = lines
    is_whole = (head.text("kind"), end.text("kind")) == (_BEGIN, _END)
    if not is_whole or end.number("turns") != len(middle) or head.text("stage") != stage:
        raise RecordBroken("it is not whole")
    turns, put_before = [turn_from_record(one) for one in middle], head.number("put_before")
    if min(put_before, head.number("taken")) < 0 or put_before > len(turns):
        raise RecordBroken("it is not whole")
    return _Kept(
        stage,
        (head.text("provider"), head.text("model")),
        head.number("stages"),
        head.text("after"),
        head.number("taken"),
        turns[:put_before],
        turns[put_before:],
    )


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    if not content.endswith(b"\n"):
        raise RecordBroken("its last line is torn")
    # Not splitlines: other ends of lines are part of what was said.
    return enumerate(content[:-1].split(b"\n"), 1)


def _same_at_the_end(one: Sequence[Turn], other: Sequence[Turn]) -> int:
    """Return how many turns at the end are those of the other, untouched."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
