"""The provider's prompt cache: how many tokens of a prompt are read from it and written to it."""

import hashlib
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, content_hash
from attractor.twins.exchange.conversation import PromptBlock, whole_tokens
from attractor.twins.exchange.wire import WireRequest, json_text

_MAX_LETTERS = 32_000_000
_MAX_MARKS = 200_000
_MARK = "cache_control"


@dataclass(frozen=True)
class CacheUsage:
    """The tokens of a prompt that are read from the cache and written to it."""

    read: int
    written: int


class PromptCache:
    """Stores prompts by wire, model and tools.

    Without marks, the longest common prefix with an earlier prompt is cached. With marks, a prompt
    is cached up to the last block that was marked in an earlier prompt with the same blocks before
    it. The oldest prompts are dropped beyond a limit of letters or marks.
    """

    def __init__(self, *, letters: int = _MAX_LETTERS, marks: int = _MAX_MARKS) -> None:
        self._max_letters, self._max_marks = letters, marks
        self._prompts: dict[str, list[str]] = defaultdict(list)
        # In order of arrival.
        self._marked: dict[bytes, None] = {}
        self._oldest = deque[tuple[str, str]]()
        self._letters = 0

    def look_up(self, request: WireRequest) -> CacheUsage:
        """Return the cache usage of a request."""
        conversation, kind = request.conversation, _kind(request)
        if conversation.blocks is None:
            return CacheUsage(
                whole_tokens(_longest_shared(conversation.words, self._prompts[kind])), 0
            )
        blocks = _up_to_last_mark(conversation.blocks)
        shared = (block.end for block, name in _named(kind, blocks) if name in self._marked)
        read = whole_tokens(max(shared, default=0))
        return CacheUsage(read, whole_tokens(blocks[-1].end) - read if blocks else 0)

    def remember(self, request: WireRequest) -> None:
        """Store an answered request: all of it, or its blocks up to each mark."""
        conversation, kind = request.conversation, _kind(request)
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
        while self._letters > self._max_letters:
            old, text = self._oldest.popleft()
            self._letters -= len(text)
            del self._prompts[old][bisect_left(self._prompts[old], text)]

    def _remember_mark(self, name: bytes) -> None:
        self._marked[name] = None
        if len(self._marked) > self._max_marks:
            del self._marked[next(iter(self._marked))]


def without_marks(value: Json) -> Json:
    """Return a value without cache marks, which do not change a prompt."""
    if isinstance(value, dict):
        return {name: without_marks(member) for name, member in value.items() if name != _MARK}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def _kind(request: WireRequest) -> str:
    tools: dict[str, Json] = {"tools": without_marks(request.body.get("tools"))}
    conversation = request.conversation
    return content_hash(f"{conversation.wire} {conversation.model} {json_text(tools)}".encode())


def _longest_shared(text: str, earlier: Sequence[str]) -> int:
    """Return the longest common prefix with one of some sorted texts, which are its neighbours."""
    place = bisect_left(earlier, text)
    return max(
        (_shared(text, other) for other in earlier[max(0, place - 1) : place + 1]), default=0
    )


def _shared(text: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    least, most = 0, min(len(text), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if text[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _up_to_last_mark(blocks: Sequence[PromptBlock]) -> Sequence[PromptBlock]:
    """Return the blocks to cache: none without a mark."""
    marked = [number for number, block in enumerate(blocks, 1) if block.is_marked]
    return blocks[: max(marked, default=0)]


def _named(kind: str, blocks: Sequence[PromptBlock]) -> Iterator[tuple[PromptBlock, bytes]]:
    """Yield each block with a key for the sequence of blocks up to it."""
    name = kind.encode()
    for block in blocks:
        name = hashlib.sha256(name + block.content.encode("utf-8", "surrogatepass")).digest()
        yield block, name
