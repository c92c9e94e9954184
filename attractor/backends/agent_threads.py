"""What the agent goes on with under `full` fidelity: the turns of the stages before, by thread.

Each stage has a session of its own, for its tools, its model and its limits; the conversation is
handed from one to the next.
"""

from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.turns import (
    AssistantTurn,
    SteeringTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    size_of,
)
from attractor.backends.model_choice import ModelChoice
from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Stage
from attractor.engine.journal.events import THREAD_CONTINUED, THREAD_RESTORED, THREAD_SHORTENED
from attractor.engine.prompts.preamble import put_before
from attractor.llm.messages import Message
from attractor.llm.response import Usage

_LETTERS_PER_TOKEN = 4
# The other half is for the stage itself.
_SHARE = 2


@dataclass(frozen=True)
class Spoken:
    """A conversation as a stage left it, and whose words its model's turns are.

    One that is restored was taken up from the disk.
    """

    turns: Sequence[Turn]
    model: tuple[str, str]
    stages: int
    last: str
    is_restored: bool = False


def recall(stage: Stage, choice: ModelChoice, *, window: int) -> Sequence[Turn]:
    """Return the turns a stage goes on with, cut down to half of a window of so many tokens.

    What another model said is taken over as text alone: its thoughts and calls are its own.
    """
    thread = stage.carried.thread
    spoken = thread.recall() if thread else None
    if thread is None or not isinstance(spoken, Spoken):
        return ()
    kind = THREAD_RESTORED if spoken.is_restored else THREAD_CONTINUED
    stage.emit(kind, thread=thread.name, stages=spoken.stages, last=spoken.last)
    is_own = spoken.model == (choice.provider, choice.model)
    turns = spoken.turns if is_own else as_texts(spoken.turns)
    kept = shorten_turns(turns, window * _LETTERS_PER_TOKEN // _SHARE, stage.carried.summary)
    if kept is not turns:
        stage.emit(THREAD_SHORTENED, thread=thread.name, turns=len(turns), kept=len(kept))
    return kept


def put_lost_before(stage: Stage, prompt: str) -> str:
    """Return a prompt with what went before, where another backend's conversation is no help."""
    thread = stage.carried.thread
    spoken = thread.recall() if thread else None
    if spoken is None or isinstance(spoken, Spoken):
        return prompt
    told = "what was said in the thread by another backend is not known: a summary stands for it"
    stage.emit("WARNING", message=told)
    return put_before(stage.carried.summary, prompt)


def keep(stage: Stage, choice: ModelChoice, turns: Sequence[Turn]) -> None:
    """Leave a conversation for the next stage of the thread, if the stage takes part in one."""
    thread = stage.carried.thread
    whole = without_loose_end(turns)
    if thread is None or not whole:
        return
    before = thread.recall()
    count = before.stages if isinstance(before, Spoken) else 0
    thread.keep(Spoken(whole, (choice.provider, choice.model), count + 1, stage.id))


def as_texts(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return only what was said in words, in turn: no thoughts, no calls and no results."""
    texts: list[Turn] = []
    for turn in turns:
        if isinstance(turn, ToolResultsTurn) or not turn.content.strip():
            continue
        if not isinstance(turn, AssistantTurn):
            texts.append(turn)
            continue
        before = texts[-1] if texts else None
        if isinstance(before, AssistantTurn):
            texts[-1] = _said(turn, f"{before.content}\n\n{turn.content}")
        else:
            texts.append(_said(turn, turn.content))
    return texts


def shorten_turns(turns: Sequence[Turn], longest: int, summary: str) -> Sequence[Turn]:
    """Return turns of at most so many letters: the last ones, after a summary of what was before.

    A cut is made before an input only, so no call is without its result.
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
    note = f"[The older part of this conversation was left out.]\n\n{summary}".strip()
    first = turns[begin] if begin < len(turns) else None
    if isinstance(first, UserTurn):
        return [replace(first, content=f"{note}\n\n{first.content}"), *turns[begin + 1 :]]
    return [UserTurn(note, turns[-1].timestamp)]


def without_loose_end(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return turns without an input that was not answered, or calls that were not executed."""
    end = len(turns)
    while end and _is_loose(turns[end - 1]):
        end -= 1
    return tuple(turns[:end])


def _is_loose(turn: Turn) -> bool:
    if isinstance(turn, AssistantTurn):
        return bool(turn.tool_calls)
    return isinstance(turn, UserTurn | SteeringTurn)


def _said(turn: AssistantTurn, text: str) -> AssistantTurn:
    message = Message.assistant(text)
    return replace(
        turn, content=text, tool_calls=(), reasoning=None, usage=Usage(), message=message
    )
