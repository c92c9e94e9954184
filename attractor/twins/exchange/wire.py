"""Wires: the request and answer formats of model providers, and the prompt cache of a twin."""

import hashlib
import json
import math
import re
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from itertools import groupby, takewhile
from typing import Protocol, runtime_checkable

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, content_hash
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer

_LETTERS_A_TOKEN = 4


class Speaker(StrEnum):
    """The speaker of a turn."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    SYSTEM = "system"


@dataclass(frozen=True)
class Turn:
    """The consecutive text of one speaker."""

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class PromptBlock:
    """One block of a prompt for a provider that caches whole blocks.

    `end` is the offset of the block's end in `Conversation.words`; a marked block is cached with
    all preceding blocks.
    """

    content: str
    end: int
    is_marked: bool


@dataclass(frozen=True)
class Conversation:
    """A request to a model: instructions, turns and the names of the tools that it offers.

    The input of a custom tool is a text, not JSON. `namespaces` are those of tools in one, such as
    the tools of an MCP server that codex uses. `blocks` is None if the provider's clients do
    not mark blocks to cache.
    """

    wire: str
    model: str
    system: str = ""
    turns: Sequence[Turn] = ()
    blocks: Sequence[PromptBlock] | None = None
    tools: Sequence[str] = ()
    custom_tools: Sequence[str] = ()
    namespaces: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def instructions(self) -> str:
        """The instructions before the first turn and between turns."""
        return "\n".join(filter(None, [self.system, *self._texts_of(Speaker.SYSTEM)]))

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
    """Return the number of complete tokens in a number of letters."""
    return letters // _LETTERS_A_TOKEN


_WORDS_A_PIECE = 3
_LETTERS_A_PIECE = 12
_WORDS = re.compile(rf"\s*(?:\S+\s*){{1,{_WORDS_A_PIECE}}}|\s+")


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream; `text` contains data that is not JSON."""

    data: JsonObject
    name: str = ""
    line_end: str = "\n"
    text: str | None = None

    def encoded(self, text: str | None = None) -> bytes:
        """Return the bytes of the event; `text` replaces the data."""
        lines = [f"event: {self.name}"] if self.name else []
        text = self.text if text is None else text
        content = json_text(self.data) if text is None else text
        # Each line of a text needs its own `data:`.
        lines += [f"data: {line}" for line in re.split(r"\r\n|\r|\n", content)]
        return "".join(line + self.line_end for line in [*lines, ""]).encode()


def json_text(value: JsonObject) -> str:
    """Return JSON as providers write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_words(text: str) -> Sequence[str]:
    """Split a text into pieces of a few words."""
    return _WORDS.findall(text)


def in_letters(text: str) -> Sequence[str]:
    """Split a text into pieces of a few letters."""
    starts = range(0, len(text), _LETTERS_A_PIECE)
    return [text[start : start + _LETTERS_A_PIECE] for start in starts]


def text_at(record: JsonObject, key: str) -> str:
    """Return the text at a key of a record, or an empty text."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def record_at(record: JsonObject, key: str) -> JsonObject:
    """Return the record at a key of a record, or an empty record."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def records_at(record: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the records in a list that is a member of a record."""
    value = record.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass(frozen=True)
class WireRequest:
    """A request: the conversation, the body, and a seed for ids."""

    conversation: Conversation
    body: JsonObject
    seed: str


class Wire(Protocol):
    """The format of one provider's requests, answers and errors."""

    @property
    def name(self) -> str:
        """The name of the wire in scripts."""
        ...

    @property
    def path(self) -> str:
        """The path of requests; path segments in braces are added to the body by name."""
        ...

    @property
    def other_paths(self) -> Sequence[str]:
        """Additional request paths, for streams or for other versions of the API."""
        ...

    @property
    def base_path(self) -> str:
        """The path after the host in the base URL of clients."""
        ...

    @property
    def variables(self) -> Sequence[str]:
        """The environment variables of a client: for the base URL, then for the API key."""
        ...

    @property
    def ignored_paths(self) -> Sequence[str]:
        """The JSON paths in requests that do not change an answer, such as ids of a session."""
        ...

    @property
    def request_id_header(self) -> str:
        """The header of an answer with the id of the request, empty without one."""
        ...

    @property
    def id_paths(self) -> Sequence[str]:
        """The JSON paths of ids in requests."""
        ...

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        ...

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        ...

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream, by the body or by the path with the query."""
        ...

    def stream(self, response: JsonObject) -> Iterator[ServerEvent]:
        """Yield the events of a streamed answer."""
        ...

    def error_events(
        self, rejection: Rejection, sent: Sequence[ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Return the events with which the provider ends a stream after an error."""
        ...

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        ...


@runtime_checkable
class ListsModels(Wire, Protocol):
    """A wire that also lists models."""

    @property
    def models_paths(self) -> Sequence[str]:
        """The paths of the model list; several wires can share these paths."""
        ...

    @property
    def listed_wires(self) -> Sequence[str]:
        """The wires whose models are in the provider's model list."""
        ...

    def matches_headers(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers belong to a client of this provider."""
        ...

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Return the list in the provider's format, or raise the Rejection of the provider."""
        ...

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Return one model in the provider's format, or raise the Rejection of the provider."""
        ...


@runtime_checkable
class CountsTokens(Wire, Protocol):
    """A wire that also counts the tokens of a prompt."""

    @property
    def count_paths(self) -> Sequence[str]:
        """The paths of requests to count tokens."""
        ...

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request to count tokens, or raise the Rejection of the provider."""
        ...

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Return the count in the provider's format."""
        ...


def wire_registry() -> Registry[Wire]:
    """Return the wires by name."""
    return Registry("attractor.twins.wires", Wire, noun="wire")


def nearest_wire(wires: Sequence[Wire], path: str, headers: Mapping[str, str]) -> Wire:
    """Return the most likely wire of an invalid request, by path and then by headers."""
    shared = {wire.name: max(_shared(path, known) for known in _paths(wire)) for wire in wires}
    likely = [wire for wire in wires if shared[wire.name] == max(shared.values())]
    listing = [wire for wire in likely if isinstance(wire, ListsModels)]
    # If nothing identifies the provider, use the last one, OpenAI.
    fallback: Wire = (listing or likely)[-1]
    return next((wire for wire in listing if wire.matches_headers(headers)), fallback)


def _paths(wire: Wire) -> Iterator[str]:
    yield from (wire.path, *wire.other_paths)
    yield from wire.models_paths if isinstance(wire, ListsModels) else ()
    yield from wire.count_paths if isinstance(wire, CountsTokens) else ()


def _shared(path: str, known: str) -> int:
    """Return the number of common segments at the start of two paths."""
    steps = zip(path.split("/"), known.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], steps)))


_MAX_LETTERS = 32_000_000
_MAX_MARKS = 200_000
_MARK = "cache_control"


@dataclass(frozen=True)
class CacheUsage:
    """The numbers of prompt tokens that are read from and written to the cache."""

    read: int
    written: int


class PromptCache:
    """Stores prompts by wire, model and tools.

    Without marks, the longest common prefix with an earlier prompt is cached. With marks, the
    cached part of a prompt ends with the last block that was marked in an earlier prompt, if all
    preceding blocks are the same in both prompts. The oldest prompts are dropped beyond a limit of
    letters or marks.
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
            # Only the neighbours in the sorted list can have the longest common prefix.
            words, earlier = conversation.words, self._prompts[kind]
            place = bisect_left(earlier, words)
            neighbours = earlier[max(0, place - 1) : place + 1]
            longest = max((_shared_prefix(words, prompt) for prompt in neighbours), default=0)
            return CacheUsage(whole_tokens(longest), 0)
        blocks = _up_to_last_mark(conversation.blocks)
        shared = (block.end for block, name in _named(kind, blocks) if name in self._marked)
        read = whole_tokens(max(shared, default=0))
        return CacheUsage(read, whole_tokens(blocks[-1].end) - read if blocks else 0)

    def remember(self, request: WireRequest) -> None:
        """Store the prompt of an answered request, or its blocks up to each mark."""
        conversation, kind = request.conversation, _kind(request)
        if conversation.blocks is None:
            self._remember_words(kind, conversation.words)
            return
        for block, name in _named(kind, _up_to_last_mark(conversation.blocks)):
            if block.is_marked:
                self._marked[name] = None
                if len(self._marked) > self._max_marks:
                    del self._marked[next(iter(self._marked))]

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


def without_marks(value: Json) -> Json:
    """Return a value without cache marks, because cache marks do not change a prompt."""
    if isinstance(value, dict):
        return {name: without_marks(member) for name, member in value.items() if name != _MARK}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def _kind(request: WireRequest) -> str:
    tools: dict[str, Json] = {"tools": without_marks(request.body.get("tools"))}
    conversation = request.conversation
    return content_hash(f"{conversation.wire} {conversation.model} {json_text(tools)}".encode())


def _shared_prefix(text: str, other: str) -> int:
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
    """Return the blocks to cache, up to the last marked block; empty without a mark."""
    marked = [number for number, block in enumerate(blocks, 1) if block.is_marked]
    return blocks[: max(marked, default=0)]


def _named(kind: str, blocks: Sequence[PromptBlock]) -> Iterator[tuple[PromptBlock, bytes]]:
    """Yield each block with a hash of all blocks up to this block."""
    name = kind.encode()
    for block in blocks:
        name = hashlib.sha256(name + block.content.encode("utf-8", "surrogatepass")).digest()
        yield block, name
