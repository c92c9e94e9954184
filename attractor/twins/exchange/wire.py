"""The protocol of a provider's HTTP interface, and the events of its streams."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Protocol, runtime_checkable

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.base.registry import Registry
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.conversation import Conversation

_WORDS_A_PIECE = 3
_LETTERS_A_PIECE = 12
_WORDS = re.compile(rf"\s*(?:\S+\s*){{1,{_WORDS_A_PIECE}}}|\s+")


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream; `text` replaces the data where it is not JSON."""

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
    """Divide a text into pieces of a few words."""
    return _WORDS.findall(text)


def in_letters(text: str) -> Sequence[str]:
    """Divide a text into pieces of a few letters."""
    starts = range(0, len(text), _LETTERS_A_PIECE)
    return [text[start : start + _LETTERS_A_PIECE] for start in starts]


def text_at(record: JsonObject, key: str) -> str:
    """Return the text at a key of a record, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def record_at(record: JsonObject, key: str) -> JsonObject:
    """Return the record at a key of a record, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def records_at(record: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the records in the list at a key of a record."""
    value = record.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass(frozen=True)
class WireRequest:
    """A request with its conversation, its body, and a seed for ids."""

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
        """The path of requests; values of names in braces are added to the body."""
        ...

    @property
    def other_paths(self) -> Sequence[str]:
        """Further paths of requests: for streams, or of other versions of the interface."""
        ...

    @property
    def base_path(self) -> str:
        """The path after the host in the base URL of clients."""
        ...

    @property
    def variables(self) -> Sequence[str]:
        """The environment variables for the base URL, and last the one for the key."""
        ...

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        ...

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        ...

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream, by its body or by its path with the query."""
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
        """The paths of the list, perhaps shared with other wires."""
        ...

    @property
    def listed_wires(self) -> Sequence[str]:
        """The wires of this provider, whose models are in the list."""
        ...

    def matches_headers(self, headers: Mapping[str, str]) -> bool:
        """Return whether these headers ask for the models of this provider."""
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
    """Return the most likely wire of an invalid request: by the path, then by the headers."""
    shared = {wire.name: max(_shared(path, known) for known in _paths(wire)) for wire in wires}
    likely = [wire for wire in wires if shared[wire.name] == max(shared.values())]
    listing = [wire for wire in likely if isinstance(wire, ListsModels)]
    # Without a sign of the provider, the last one: OpenAI.
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
