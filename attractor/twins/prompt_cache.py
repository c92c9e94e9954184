"""What a provider has read before: how much of a prompt comes from its cache, and goes there."""

import hashlib
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from attractor.base.canonical import Json, content_hash
from attractor.base.late_dataclass import dataclass
from attractor.twins.conversation import whole_tokens
from attractor.twins.server_events import json_text
from attractor.twins.wire import Asked

_MOST_LETTERS = 32_000_000
_MOST_MARKS = 200_000


@dataclass(frozen=True)
class Cached:
    """How many tokens of a prompt come from the cache, and how many go there."""

    read: int
    written: int


class PromptCache:
    """Remembers prompts by wire, model and tools, for tools stand before all that is said.

    The oldest are forgotten when they are too many letters, or marks, in all.
    """

    def __init__(self, *, letters: int = _MOST_LETTERS, marks: int = _MOST_MARKS) -> None:
        self._most_letters, self._most_marks = letters, marks
        self._prompts: dict[str, list[str]] = defaultdict(list)
        self._marked: dict[str, dict[int, set[bytes]]] = defaultdict(dict)
        self._oldest = deque[tuple[str, str]]()
        self._oldest_marks = deque[tuple[str, int, bytes]]()
        self._letters = 0

    def look_up(self, asked: Asked) -> Cached:
        """Return what is cached of a request: as far as it begins like one that came before."""
        conversation, kind = asked.conversation, _kind(asked)
        if conversation.marks is None:
            return Cached(whole_tokens(_longest_shared(conversation.words, self._prompts[kind])), 0)
        last = max(conversation.marks, default=0)
        read = _longest_marked(conversation.words[:last], self._marked[kind])
        return Cached(whole_tokens(read), whole_tokens(last) - whole_tokens(read))

    def remember(self, asked: Asked) -> None:
        """Remember a request that was answered: all of it, or where the marks are up to them."""
        conversation, kind = asked.conversation, _kind(asked)
        if conversation.marks is None:
            self._remember_words(kind, conversation.words)
            return
        for mark, digest in _digests(conversation.words, sorted(conversation.marks)):
            self._remember_mark(kind, mark, digest)

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

    def _remember_mark(self, kind: str, mark: int, digest: bytes) -> None:
        known = self._marked[kind].setdefault(mark, set())
        if digest in known:
            return
        known.add(digest)
        self._oldest_marks.append((kind, mark, digest))
        if len(self._oldest_marks) > self._most_marks:
            old, place, gone = self._oldest_marks.popleft()
            self._marked[old][place].discard(gone)


def _kind(asked: Asked) -> str:
    tools: dict[str, Json] = {"tools": asked.body.get("tools")}
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


def _longest_marked(text: str, marked: Mapping[int, AbstractSet[bytes]]) -> int:
    """Return the farthest mark up to which a text is like one that came before."""
    marks = sorted(mark for mark in marked if mark <= len(text))
    return max(
        (mark for mark, digest in _digests(text, marks) if digest in marked[mark]), default=0
    )


def _digests(text: str, marks: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield for each mark, in their order, a digest of the text up to it."""
    digest = hashlib.sha256()
    for before, mark in pairwise([0, *marks]):
        digest.update(text[before:mark].encode("utf-8", "surrogatepass"))
        yield mark, digest.digest()
