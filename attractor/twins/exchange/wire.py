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
    """One event: its data, its name where the provider gives one, and how its lines end.

    A text stands in the place of the data where a provider sends one that is no JSON.
    """

    data: JsonObject
    name: str = ""
    line_end: str = "\n"
    text: str | None = None

    def encoded(self, text: str | None = None) -> bytes:
        """Return its bytes, with another text in the place of its data if there is one."""
        lines = [f"event: {self.name}"] if self.name else []
        said = self.text if text is None else text
        written = json_text(self.data) if said is None else said
        # A line's end inside a text would end the data, so each line says that it is some.
        lines += [f"data: {line}" for line in re.split(r"\r\n|\r|\n", written)]
        return "".join(line + self.line_end for line in [*lines, ""]).encode()


def json_text(value: JsonObject) -> str:
    """Return how a provider writes JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_words(text: str) -> Sequence[str]:
    """Cut a text into pieces of a few words; together they are the text."""
    return _WORDS.findall(text)


def in_letters(text: str) -> Sequence[str]:
    """Cut a text into pieces of a few letters, words or not; together they are the text."""
    starts = range(0, len(text), _LETTERS_A_PIECE)
    return [text[start : start + _LETTERS_A_PIECE] for start in starts]


def text_at(record: JsonObject, key: str) -> str:
    """Return the text a record has at a key, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def record_at(record: JsonObject, key: str) -> JsonObject:
    """Return the record a record has at a key, or an empty one."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def records_at(record: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the records a record has in a list at a key."""
    value = record.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


@dataclass(frozen=True)
class WireRequest:
    """A request that was understood: what it says, its body, and a word to make ids from."""

    conversation: Conversation
    body: JsonObject
    seed: str


class Wire(Protocol):
    """One provider's requests, answers and errors."""

    @property
    def name(self) -> str:
        """The wire's name, as scripts say it."""
        ...

    @property
    def path(self) -> str:
        """Where requests are posted; what stands in braces joins the body as it is read."""
        ...

    @property
    def other_paths(self) -> Sequence[str]:
        """Where else they are posted: for streams, or by other versions of the interface."""
        ...

    @property
    def base_path(self) -> str:
        """What clients of this provider expect behind the host in their base URL."""
        ...

    @property
    def variables(self) -> Sequence[str]:
        """The variables in which clients look for the base URL, and the last one for the key."""
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

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return the events with which the provider ends a stream after an error."""
        ...

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        ...


@runtime_checkable
class ListsModels(Wire, Protocol):
    """A wire that also tells which models there are."""

    @property
    def models_paths(self) -> Sequence[str]:
        """Where they are listed, maybe where other wires list theirs."""
        ...

    @property
    def listed_wires(self) -> Sequence[str]:
        """The wires whose models are in the list: its own, and what its provider speaks beside."""
        ...

    def is_meant(self, headers: Mapping[str, str]) -> bool:
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
    """A wire that also tells how many tokens a prompt is long."""

    @property
    def count_paths(self) -> Sequence[str]:
        """Where prompts are posted to be counted."""
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


def meant_wire(wires: Sequence[Wire], path: str, headers: Mapping[str, str]) -> Wire:
    """Return the wire that fits best: by the beginning of the path, then by the headers."""
    shared = {wire.name: max(_shared(path, one) for one in _paths(wire)) for wire in wires}
    likely = [one for one in wires if shared[one.name] == max(shared.values())]
    listing = [one for one in likely if isinstance(one, ListsModels)]
    # Who shows nothing of itself is told as the last of them tells, which is OpenAI.
    fallback: Wire = (listing or likely)[-1]
    return next((one for one in listing if one.is_meant(headers)), fallback)


def _paths(wire: Wire) -> Iterator[str]:
    yield from (wire.path, *wire.other_paths)
    yield from wire.models_paths if isinstance(wire, ListsModels) else ()
    yield from wire.count_paths if isinstance(wire, CountsTokens) else ()


def _shared(path: str, known: str) -> int:
    """Return how many steps two paths have in common from their beginning."""
    steps = zip(path.split("/"), known.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], steps)))
