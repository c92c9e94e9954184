"""A request to a model, in the same form for every wire."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby, takewhile

from attractor.base.dataclasses import dataclass

_LETTERS_A_TOKEN = 4


class Speaker(StrEnum):
    """The speaker of a turn."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True)
class Turn:
    """The text of one speaker up to the next speaker."""

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class PromptBlock:
    """One block of a prompt for a provider that caches whole blocks.

    `end` is its end in `Conversation.words`; a marked block is cached with all blocks before it.
    """

    content: str
    end: int
    is_marked: bool


@dataclass(frozen=True)
class Conversation:
    """A request to a model: instructions and turns.

    `blocks` is None where the client does not mark blocks to cache.
    """

    wire: str
    model: str
    system: str = ""
    turns: Sequence[Turn] = ()
    blocks: Sequence[PromptBlock] | None = None

    @property
    def step(self) -> int:
        """The number of the model's turns; the first request is step 0."""
        return sum(turn.speaker is Speaker.ASSISTANT for turn in self.turns)

    @property
    def first_user(self) -> str:
        """The first turn of the user."""
        return next(iter(self._texts_of(Speaker.USER)), "")

    @property
    def last_user(self) -> str:
        """The last turn of the user."""
        return next(iter(self._texts_of(Speaker.USER)[::-1]), "")

    @property
    def tool_result(self) -> str:
        """The tool results since the model's last turn."""
        newest = takewhile(lambda turn: turn.speaker is not Speaker.ASSISTANT, self.turns[::-1])
        texts = [turn.text for turn in newest if turn.speaker is Speaker.TOOL]
        return "\n".join(reversed(texts))

    @property
    def words(self) -> str:
        """The text of the instructions and all turns."""
        return "\n".join([self.system, *(turn.text for turn in self.turns)])

    @property
    def tokens(self) -> int:
        """The approximate number of tokens."""
        return count_tokens(self.words)

    def _texts_of(self, speaker: Speaker) -> Sequence[str]:
        return [turn.text for turn in self.turns if turn.speaker is speaker]


def join_turns(turns: Iterable[Turn]) -> Sequence[Turn]:
    """Join consecutive turns of one speaker."""
    return [
        Turn(speaker, "\n".join(turn.text for turn in group if turn.text))
        for speaker, group in groupby(turns, key=lambda turn: turn.speaker)
    ]


def count_tokens(text: str) -> int:
    """Return the approximate number of tokens of a text."""
    return math.ceil(len(text) / _LETTERS_A_TOKEN)


def whole_tokens(letters: int) -> int:
    """Return the number of whole tokens in a number of letters."""
    return letters // _LETTERS_A_TOKEN
