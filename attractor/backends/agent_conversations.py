"""Continues conversations of earlier stages of a thread under `full` fidelity, also from disk.

Each stage has its own session, with its tools, model and limits. A session only stores its own
turns, and refers to the turns of the previous stage.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from attractor.agent.conversation.turn_records import turn_from_record, turn_to_record
from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    size_of,
    visible_turns,
)
from attractor.backends.agent_records import drop_redacted_data
from attractor.backends.models import ModelChoice
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, parse_json
from attractor.engine.errors import ConversationLost, RecordBroken
from attractor.engine.journal.events import THREAD_CONTINUED, THREAD_RESTORED, THREAD_SHORTENED
from attractor.engine.prompts.preamble import prepend_preamble
from attractor.engine.seams import Stage, require_summary
from attractor.engine.storage.json_files import Fields
from attractor.engine.walk.saved_conversations import ReadSaved
from attractor.llm.messages import Message
from attractor.llm.response import Usage

_LETTERS_PER_TOKEN = 4
# The other half of the context window is for the stage itself.
_SHARE = 2


@dataclass(frozen=True)
class StoredConversation:
    """The conversation at the end of a stage, and the model that wrote its answers."""

    turns: Sequence[Turn]
    model: tuple[str, str]
    stages: int
    last: str
    is_restored: bool = False


def recall(stage: Stage, choice: ModelChoice, *, window: int) -> Sequence[Turn]:
    """Return the turns that a stage continues, shortened to half of a context window.

    From answers of another model, only the text is used, because thinking and tool calls are
    specific to a model.
    """
    thread = stage.inherited.thread
    stored = thread.recall() if thread else None
    if thread is None or not isinstance(stored, StoredConversation):
        return ()
    kind = THREAD_RESTORED if stored.is_restored else THREAD_CONTINUED
    stage.emit(kind, thread=thread.name, stages=stored.stages, last=stored.last)
    is_own = stored.model == (choice.provider, choice.model)
    turns = stored.turns if is_own else as_texts(stored.turns)
    kept = shorten_turns(turns, window * _LETTERS_PER_TOKEN // _SHARE, stage.inherited.summary)
    if kept is not turns:
        stage.emit(THREAD_SHORTENED, thread=thread.name, turns=len(turns), kept=len(kept))
    return kept


def add_summary_if_lost(stage: Stage, prompt: str, *own: type[object]) -> str:
    """Return a prompt, after a summary if the thread's conversation is not of the type `own`."""
    thread = stage.inherited.thread
    stored = thread.recall() if thread else None
    if stored is None or isinstance(stored, own):
        return prompt
    why = "the conversation of the thread cannot be continued"
    summary = require_summary(stage.inherited, why)
    stage.emit("WARNING", message=f"{why}: a summary replaces it")
    return prepend_preamble(summary, prompt)


def keep(stage: Stage, choice: ModelChoice, turns: Sequence[Turn]) -> None:
    """Store the conversation for the next stage of the thread, if any."""
    thread = stage.inherited.thread
    # Places in a history are meaningless in a part of it, so replaced turns are left out.
    whole = without_loose_end(visible_turns(turns))
    if thread is None or not whole:
        return
    before = thread.recall()
    count = before.stages if isinstance(before, StoredConversation) else 0
    thread.keep(StoredConversation(whole, (choice.provider, choice.model), count + 1, stage.id))


def as_texts(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns of a history with their texts only, without thinking, calls and results."""
    texts: list[Turn] = []
    for turn in turns:
        if isinstance(turn, ToolResultsTurn) or not turn.content.strip():
            continue
        if not isinstance(turn, AssistantTurn):
            texts.append(turn)
            continue
        before = texts[-1] if texts else None
        if isinstance(before, AssistantTurn):
            texts[-1] = _as_text(turn, f"{before.content}\n\n{turn.content}")
        else:
            texts.append(_as_text(turn, turn.content))
    return texts


def shorten_turns(turns: Sequence[Turn], longest: int, summary: str) -> Sequence[Turn]:
    """Return the last turns, at most `longest` characters, after a summary of the earlier turns.

    Turns are only cut before a user input, so that every call keeps its result.
    """
    if sum(map(size_of, turns)) <= longest:
        return turns
    begin, size = len(turns), len(summary)
    for place in range(len(turns) - 1, -1, -1):
        size += size_of(turns[place])
        if size > longest:
            break
        if isinstance(turns[place], UserTurn):
            begin = place
    note = f"[The earlier part of this conversation was omitted.]\n\n{summary}".strip()
    first = turns[begin] if begin < len(turns) else None
    if isinstance(first, UserTurn):
        return [replace(first, content=f"{note}\n\n{first.content}"), *turns[begin + 1 :]]
    return [UserTurn(note, turns[-1].timestamp)]


def without_loose_end(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns without unanswered inputs and unexecuted tool calls at the end."""
    end = len(turns)
    while end and _is_loose(turns[end - 1]):
        end -= 1
    return tuple(turns[:end])


def _is_loose(turn: Turn) -> bool:
    if isinstance(turn, AssistantTurn):
        return bool(turn.tool_calls)
    return isinstance(turn, UserTurn | SteeringTurn)


def _as_text(turn: AssistantTurn, text: str) -> AssistantTurn:
    message = Message.assistant(text)
    return replace(
        turn, content=text, tool_calls=(), reasoning=None, usage=Usage(), message=message
    )


CONVERSATION = "conversation.jsonl"
"""The file in the stage's folder with the turns that the stage adds to its thread."""

_BEGIN, _END = "begin", "end"


class ConversationFile:
    """Writes each turn of a stage to its file; writes nothing if the stage has no thread."""

    def __init__(self, stage: Stage, choice: ModelChoice, begins_with: Sequence[Turn]) -> None:
        """Write the header, and the recalled turns that differ from the stored conversation."""
        self._files = stage.files if stage.inherited.thread else None
        self._count = 0
        before = stage.inherited.thread.recall() if stage.inherited.thread else None
        taken = before if isinstance(before, StoredConversation) else None
        # A restored conversation can be that of an earlier run, whose files a reader does not have.
        known = taken.turns if taken and not taken.is_restored else ()
        pairs = zip(reversed(known), reversed(begins_with), strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
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
        """Store a turn."""
        self._count += 1
        self._write(**turn_to_record(turn))

    def end(self) -> None:
        """Mark the file as complete, with the number of its turns."""
        self._write(kind=_END, turns=self._count)

    def _write(self, **line: Json) -> None:
        if self._files:
            self._files.append(CONVERSATION, json.dumps(line, ensure_ascii=False))


def rebuild(last: str, read: ReadSaved) -> StoredConversation:
    """Return the conversation of a stage from the files of this stage and of earlier stages."""
    kept = list(_earlier_stages(last, read))
    turns: Sequence[Turn] = ()
    for one in reversed(kept):
        if one.taken > len(turns):
            raise ConversationLost(f"the conversation that {one.stage} continued is incomplete")
        middle = turns[len(turns) - one.taken :]
        turns = without_loose_end(visible_turns([*one.before, *middle, *one.own]))
    if not turns:
        raise ConversationLost(f"{last} has no stored conversation")
    whole = kept[0]
    return StoredConversation(turns, whole.model, whole.stages, whole.stage, is_restored=True)


@dataclass(frozen=True)
class _StageTurns:
    """The stored turns of one stage: inserted turns, `taken` turns of the previous stage, own
    turns.
    """

    stage: str
    model: tuple[str, str]
    stages: int
    after: str
    taken: int
    before: Sequence[Turn]
    own: Sequence[Turn]


def _earlier_stages(last: str, read: ReadSaved) -> Iterator[_StageTurns]:
    """Yield the stored turns of a stage, then of the preceding stages."""
    seen, stage = set[str](), last
    while stage:
        if stage in seen:
            raise ConversationLost(f"circular reference: {stage} continues itself")
        seen.add(stage)
        try:
            kept = _read(stage, read(stage, CONVERSATION))
        except (NotCanonical, RecordBroken) as fault:
            raise ConversationLost(f"{CONVERSATION} of {stage}: {fault}") from fault
        yield kept
        stage = kept.after


def _read(stage: str, content: bytes) -> _StageTurns:
    """Read a file up to its last whole turn: a killed process writes no end."""
    # Not splitlines: other line separators are part of the texts. Behind the last line break is
    # nothing, or a torn line.
    lines = content.split(b"\n")[:-1]
    records = [Fields(parse_json(line), f"line {at}") for at, line in enumerate(lines, 1)]
    if not records:
        raise RecordBroken("the file is incomplete")
    head, *middle = records
    end = middle.pop() if middle and middle[-1].has("kind") else None
    is_whole = end is None or (end.text("kind"), end.number("turns")) == (_END, len(middle))
    if not is_whole or head.text("kind") != _BEGIN or head.text("stage") != stage:
        raise RecordBroken("the file is incomplete")
    turns, inserted = [_turn(one) for one in middle], head.number("put_before")
    if min(inserted, head.number("taken")) < 0 or inserted > len(turns):
        raise RecordBroken("the file is incomplete")
    return _StageTurns(
        stage,
        (head.text("provider"), head.text("model")),
        head.number("stages"),
        head.text("after"),
        head.number("taken"),
        turns[:inserted],
        turns[inserted:],
    )


def _turn(fields: Fields) -> Turn:
    try:
        return drop_redacted_data(turn_from_record(fields.all()))
    except UsageError as cause:
        raise RecordBroken(f"invalid turn: {cause.message}") from cause
