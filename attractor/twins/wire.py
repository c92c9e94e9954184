"""What one provider's way to speak over HTTP has to be, for a twin."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.base.registry import Registry
from attractor.twins.answer import Answer
from attractor.twins.conversation import Conversation
from attractor.twins.errors import Rejection
from attractor.twins.server_events import ServerEvent


@dataclass(frozen=True)
class Asked:
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
        """Understand a request, or raise the Rejection the provider would answer with."""
        ...

    def write(self, answer: Answer, asked: Asked) -> JsonObject:
        """Write an answer as the provider would."""
        ...

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Tell whether a request asks for a stream, by its body or by its path with the query."""
        ...

    def stream(self, written: JsonObject) -> Iterator[ServerEvent]:
        """Yield a written answer as the provider would stream it."""
        ...

    def break_off(self, rejection: Rejection, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
        """Return how the provider would end with an error a stream of which this was sent."""
        ...

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Write an error as the provider would."""
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
        """Tell whether who sends these headers wants this provider's list."""
        ...

    def write_models(self, headers: Mapping[str, str], models: Sequence[str]) -> JsonObject:
        """Write the list as the provider would, or raise the Rejection it would answer with."""
        ...

    def write_model(
        self, headers: Mapping[str, str], model: str, models: Sequence[str]
    ) -> JsonObject:
        """Write one model of these as the provider would, or raise such a Rejection."""
        ...


@runtime_checkable
class CountsTokens(Wire, Protocol):
    """A wire that also tells how many tokens a prompt is long."""

    @property
    def count_paths(self) -> Sequence[str]:
        """Where prompts are posted to be counted."""
        ...

    def read_count(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Understand such a request, or raise the Rejection the provider would answer with."""
        ...

    def write_count(self, conversation: Conversation) -> JsonObject:
        """Write the count as the provider would."""
        ...


def wire_registry() -> Registry[Wire]:
    """Return the wires by name."""
    return Registry("attractor.twins.wires", Wire, noun="wire")
