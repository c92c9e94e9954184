"""What a provider has read before: how much of a prompt comes from its cache, and goes there."""

import hashlib
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, content_hash
from attractor.twins.exchange.conversation import PromptBlock, whole_tokens
from attractor.twins.exchange.wire import WireRequest, json_text

_MOST_LETTERS = 32_000_000
_MOST_MARKS = 200_000
_MARK = "cache_control"


@dataclass(frozen=True)
class Cached:
    """How many tokens of a prompt come from the cache, and how many go there."""

    read: int
    written: int


class PromptCache:
    """Remembers prompts by wire, model and tools, for tools stand before all that is said.

    Without marks a prompt is read as far as it is like an earlier one. With marks it is read up to
    the end of a block that was marked in an earlier one, in which all blocks before it were the
    same. The oldest are forgotten when they are too many letters, or marks, in all.
    """

    def __init__(self, *, letters: int = _MOST_LETTERS, marks: int = _MOST_MARKS) -> None:
        self._most_letters, self._most_marks = letters, marks
        self._prompts: dict[str, list[str]] = defaultdict(list)
        # In the order in which they came.
        self._marked: dict[bytes, None] = {}
        self._oldest = deque[tuple[str, str]]()
        self._letters = 0

    def look_up(self, asked: WireRequest) -> Cached:
        """Return what is cached of a request: as far as it begins like one that came before."""
        conversation, kind = asked.conversation, _kind(asked)
        if conversation.blocks is None:
            return Cached(whole_tokens(_longest_shared(conversation.words, self._prompts[kind])), 0)
        told = _up_to_last_mark(conversation.blocks)
        shared = (block.end for block, name in _named(kind, told) if name in self._marked)
        read = whole_tokens(max(shared, default=0))
        return Cached(read, whole_tokens(told[-1].end) - read if told else 0)

    def remember(self, asked: WireRequest) -> None:
        """Remember a request that was answered: all of it, or where the marks are up to them."""
        conversation, kind = asked.conversation, _kind(asked)
        if conversation.blocks is None:
            self._remember_words(kind, conversation.words)
            return
        for block, name in _named(kind, _up_to_last_mark(conversation.blocks)):
            if block.is_marked:
                self._remember_mark(name)

    def _remember_words(self, kind: str, words: str) -> None:
        prompts = self._prompts[kind]
        place = bisect_left(prompts, words)
        if prompts[place : place + 1] == [words]:
            return
        prompts.insert(place, words)
        self._oldest.append((kind, words))
        self._letters += len(words)
        while self._letters > self._most_letters:
            old, said = self._oldest.popleft()
            self._letters -= len(said)
            del self._prompts[old][bisect_left(self._prompts[old], said)]

    def _remember_mark(self, name: bytes) -> None:
        self._marked[name] = None
        if len(self._marked) > self._most_marks:
            del self._marked[next(iter(self._marked))]


def without_marks(value: Json) -> Json:
    """Return what is said without the marks of what to cache, which change nothing of a prompt."""
    if isinstance(value, dict):
        return {name: without_marks(one) for name, one in value.items() if name != _MARK}
    return [without_marks(one) for one in value] if isinstance(value, list) else value


def _kind(asked: WireRequest) -> str:
    tools: dict[str, Json] = {"tools": without_marks(asked.body.get("tools"))}
    conversation = asked.conversation
    return content_hash(f"{conversation.wire} {conversation.model} {json_text(tools)}".encode())


def _longest_shared(text: str, earlier: Sequence[str]) -> int:
    """Return how far a text is like one of some sorted ones: the likest stand beside its place."""
    place = bisect_left(earlier, text)
    return max((_shared(text, one) for one in earlier[max(0, place - 1) : place + 1]), default=0)


def _shared(one: str, other: str) -> int:
    """Return how many letters two texts have in common from their beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _up_to_last_mark(blocks: Sequence[PromptBlock]) -> Sequence[PromptBlock]:
    """Return what is to be cached: nothing without a mark."""
    marked = [number for number, block in enumerate(blocks, 1) if block.is_marked]
    return blocks[: max(marked, default=0)]


def _named(kind: str, blocks: Sequence[PromptBlock]) -> Iterator[tuple[PromptBlock, bytes]]:
    """Yield each block with a name that only the same blocks up to it have."""
    name = kind.encode()
    for block in blocks:
        name = hashlib.sha256(name + block.content.encode("utf-8", "surrogatepass")).digest()
        yield block, name
