"""A request to a model, in the same form for every wire."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby, takewhile

from attractor.base.dataclasses import dataclass

_LETTERS_A_TOKEN = 4


class Speaker(StrEnum):
    """Whose turn it was."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True)
class Turn:
    """What one speaker said until another one spoke."""

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class PromptBlock:
    """One block of a prompt for a provider that caches whole blocks.

    It says all that is in it, after how many letters of the words it ends, and whether it is marked
    to be cached with all before it.
    """

    content: str
    end: int
    is_marked: bool


@dataclass(frozen=True)
class Conversation:
    """What a model is asked: its name, its instructions, and who said what so far.

    Where a client marks what is to be cached there are blocks; else that is left to the provider.
    """

    wire: str
    model: str
    system: str = ""
    turns: Sequence[Turn] = ()
    blocks: Sequence[PromptBlock] | None = None

    @property
    def step(self) -> int:
        """How many turns the model has had; the first request is step 0."""
        return sum(turn.speaker is Speaker.ASSISTANT for turn in self.turns)

    @property
    def first_user(self) -> str:
        """What the user said first."""
        return next(iter(self._said_by(Speaker.USER)), "")

    @property
    def last_user(self) -> str:
        """What the user said last."""
        return next(iter(self._said_by(Speaker.USER)[::-1]), "")

    @property
    def tool_result(self) -> str:
        """What tools answered since the model spoke last."""
        newest = takewhile(lambda turn: turn.speaker is not Speaker.ASSISTANT, self.turns[::-1])
        told = [turn.text for turn in newest if turn.speaker is Speaker.TOOL]
        return "\n".join(reversed(told))

    @property
    def words(self) -> str:
        """Everything that was said, instructions included."""
        return "\n".join([self.system, *(turn.text for turn in self.turns)])

    @property
    def tokens(self) -> int:
        """About how many tokens it is long."""
        return count_tokens(self.words)

    def _said_by(self, speaker: Speaker) -> Sequence[str]:
        return [turn.text for turn in self.turns if turn.speaker is speaker]


def join_turns(turns: Iterable[Turn]) -> Sequence[Turn]:
    """Make one turn of what the same speaker said in a row, however the wire cut it up."""
    return [
        Turn(speaker, "\n".join(turn.text for turn in said if turn.text))
        for speaker, said in groupby(turns, key=lambda turn: turn.speaker)
    ]


def count_tokens(text: str) -> int:
    """Return about how many tokens a text is long."""
    return math.ceil(len(text) / _LETTERS_A_TOKEN)


def whole_tokens(letters: int) -> int:
    """Return how many tokens are whole in so many letters."""
    return letters // _LETTERS_A_TOKEN
