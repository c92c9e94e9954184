"""Answers a request: by the scripts, else by the recordings, else with an error."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import parse_qsl

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, content_hash, parse_json
from attractor.twins.errors import NoMatchingRule, Rejection
from attractor.twins.exchange.answer import Answer, Fault, FaultKind
from attractor.twins.exchange.prompt_cache import Cached, PromptCache
from attractor.twins.exchange.reply import Reply, place_of, streamed, troubled, whole
from attractor.twins.exchange.wire import (
    CountsTokens,
    ListsModels,
    ServerEvent,
    Wire,
    WireRequest,
    json_text,
)
from attractor.twins.recordings.recording import Recordings, Sought, request_of
from attractor.twins.recordings.redaction import HiddenKeys, hide_in_body, keys_of
from attractor.twins.script.match import choose, entries_of
from attractor.twins.script.script import Script

_SEED_LENGTH = 24


_GOOGLES = "x-goog-api-key"


_PING = "ping"


_GOOD = 200


_SAYS_WHAT_IT_TOOK = {"input", "cache_read", "cache_write"}


@dataclass(frozen=True)
class Arrival:
    """A request as it came, how often the very same one has come by now, what its path says.

    Its target is the path with the query, as the first line of a request has it.
    """

    wire: Wire
    headers: Mapping[str, str]
    body: bytes
    attempt: int = 1
    from_path: Mapping[str, str] = field(default_factory=dict[str, str])
    target: str = ""
    method: str = "POST"

    @property
    def seed(self) -> str:
        """A word that is the same for the same request alone."""
        place = "".join(self.from_path.values())
        return content_hash((self.wire.name + place).encode() + self.body)[:_SEED_LENGTH]

    @property
    def path(self) -> str:
        """Its path."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind the path."""
        return self.target.partition("?")[2]

    @property
    def told(self) -> Mapping[str, str]:
        """The headers, with the key that Google's clients may put into the query instead."""
        named = dict(parse_qsl(self.query))
        return {**({_GOOGLES: named["key"]} if "key" in named else {}), **self.headers}

    @property
    def keys(self) -> HiddenKeys:
        """The keys it comes with."""
        return keys_of(self.headers, self.query)

    @property
    def sought(self) -> Sought:
        """The request as recordings know it."""
        keys = self.keys
        request = request_of(hide_in_body(self.body, keys))
        return Sought(self.wire.name, self.method, keys.hide_text(self.path), request)


class Memory:
    """Remembers which prompts were read, and how often each rule was used."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self.prompts = PromptCache()
        self.recordings = recordings
        self._uses = Counter[int]()

    def use(self, entry: int) -> int:
        """Count a use of a rule, and return how many there are by now."""
        self._uses[entry] += 1
        return self._uses[entry]

    def uses(self, entry: int) -> int:
        """Return how often a rule was used."""
        return self._uses[entry]

    def forget_uses(self) -> None:
        """Count from the beginning, for other rules."""
        self._uses.clear()

    def forget(self) -> None:
        """Begin anew."""
        self.forget_uses()
        self.prompts = PromptCache()
        if self.recordings is not None:
            self.recordings.forget()


def reply_to(
    arrival: Arrival, scripts: Script | Sequence[Script], memory: Memory | None = None
) -> Reply:
    """Answer a request as the scripts say, else as it was recorded."""
    memory = memory or Memory()
    tried = [scripts] if isinstance(scripts, Script) else scripts
    try:
        asked = understand(arrival)
    except Rejection as rejection:
        return unanswered(arrival, rejection, tried, memory)
    try:
        reply = _scripted(arrival, asked, tried, memory)
    except NoMatchingRule as rejection:
        reply = unanswered(arrival, rejection, tried, memory)
    except Rejection as rejection:
        reply = refusal(arrival.wire, rejection)
    return replace(reply, model=asked.conversation.model, step=asked.conversation.step)


def understand(arrival: Arrival) -> WireRequest:
    """Return what a request says, or refuse it as its provider would."""
    body = body_of(arrival)
    return WireRequest(arrival.wire.read(arrival.told, body), body, arrival.seed)


def body_of(arrival: Arrival) -> JsonObject:
    """Return the body of a request with what its path says, or refuse it."""
    return {**_object(arrival.body), **arrival.from_path}


def _scripted(
    arrival: Arrival, asked: WireRequest, scripts: Sequence[Script], memory: Memory
) -> Reply:
    choice = choose(entries_of(scripts), asked.conversation, attempt=arrival.attempt)
    rule = choice.entry.name
    answer = choice.drawn(memory.use(choice.entry.number))
    write = _stream if arrival.wire.wants_stream(asked.body, arrival.target) else _body
    try:
        written = write(arrival.wire, _counted(answer, memory.prompts.look_up(asked)), asked)
    except Rejection as rejection:
        return refusal(arrival.wire, rejection, rule=rule)
    if written.begins and written.status == _GOOD:
        memory.prompts.remember(asked)
    return replace(written, rule=rule, delay=choice.answer.delay)


def unanswered(
    arrival: Arrival, rejection: Rejection, scripts: Sequence[Script], memory: Memory
) -> Reply:
    """Answer as it was recorded where no script does, or refuse."""
    recordings = memory.recordings
    if recordings is None:
        return refusal(arrival.wire, rejection)
    sought = arrival.sought
    recorded = recordings.answer(sought)
    if recorded:
        return recorded
    told = recordings.refusal(sought)
    if not scripts:
        return refusal(arrival.wire, Rejection(400, told, code="no_recording"))
    both = Rejection(rejection.status, f"{rejection.message}; {told}", code=rejection.code)
    return refusal(arrival.wire, both)


def _counted(answer: Answer, cached: Cached) -> Answer:
    """Say what came from the cache, unless the script says what a prompt took."""
    if answer.usage.model_fields_set & _SAYS_WHAT_IT_TOOK:
        return answer
    counted = {"cache_read": cached.read, "cache_write": cached.written}
    return answer.model_copy(update={"usage": answer.usage.model_copy(update=counted)})


def _body(wire: Wire, answer: Answer, asked: WireRequest) -> Reply:
    """Answer in one piece."""
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS:
        return refusal(wire, _rejection(fault), headers=answer.headers)
    if fault and fault.kind is FaultKind.MALFORMED:
        return whole(200, fault.body.encode(), answer.headers)
    reply = whole(200, json_text(wire.write(answer, asked)).encode(), answer.headers)
    return troubled(reply, fault) if fault else reply


def _stream(wire: Wire, answer: Answer, asked: WireRequest) -> Reply:
    """Answer event by event."""
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS and not fault.events_before:
        return refusal(wire, _rejection(fault), headers=answer.headers)
    events = list(wire.stream(wire.write(answer, asked)))
    pieces = _pieces(wire, events, fault) if fault else [one.encoded() for one in events]
    reply = replace(streamed(pieces, answer.headers), pause=answer.pace)
    return troubled(reply, fault) if fault else reply


def _pieces(wire: Wire, events: Sequence[ServerEvent], fault: Fault) -> Sequence[bytes]:
    """Encode the events of a stream in which there is trouble."""
    place = place_of(fault, len(events))
    pieces = [one.encoded() for one in events]
    if fault.kind is FaultKind.MALFORMED:
        # Clients skip a ping without a look at it.
        place += events[place].name == _PING
        pieces[place] = events[place].encoded(fault.body)
    elif fault.kind is FaultKind.STATUS:
        ends = wire.break_off(_rejection(fault), events[:place])
        pieces[place:] = [one.encoded() for one in ends]
    return pieces


def _rejection(fault: Fault) -> Rejection:
    return Rejection(fault.status, fault.message, code=fault.code, retry_after=fault.retry_after)


def refusal(
    wire: Wire,
    rejection: Rejection,
    *,
    headers: Mapping[str, str] | None = None,
    rule: str = "",
) -> Reply:
    """Return an error in the shape of its provider."""
    wait = rejection.retry_after
    said = {} if wait is None else {"retry-after": _seconds(wait)}
    body = json_text(wire.write_error(rejection)).encode()
    made = whole(rejection.status, body, {**said, **(headers or {})}, rule=rule or rejection.rule)
    return replace(made, error=rejection.message)


def _seconds(wait: timedelta) -> str:
    seconds = wait.total_seconds()
    return str(math.trunc(seconds)) if seconds == math.trunc(seconds) else str(seconds)


def _object(body: bytes) -> JsonObject:
    try:
        value = parse_json(body)
    except NotCanonical as cause:
        raise Rejection(400, f"the body is {cause.message}") from cause
    if not isinstance(value, dict):
        raise Rejection(400, "the body is not a JSON object")
    return value


@dataclass(frozen=True)
class ModelFacts:
    """What is told, and about which model if about one."""

    body: JsonObject
    model: str = ""


Telling: TypeAlias = Callable[[Arrival, Sequence[Script]], ModelFacts]


def tell(arrival: Arrival, telling: Telling, scripts: Sequence[Script], memory: Memory) -> Reply:
    """Tell what was recorded, else what follows from the scripts."""
    recordings = memory.recordings
    recorded = recordings.answer(arrival.sought) if recordings is not None else None
    if recorded:
        return recorded
    if not scripts and recordings is not None:
        return unanswered(arrival, NoMatchingRule(400, ""), scripts, memory)
    try:
        told = telling(arrival, scripts)
    except Rejection as rejection:
        return refusal(arrival.wire, rejection)
    return replace(whole(200, json_text(told.body).encode(), {}), model=told.model)


def all_models(wire: ListsModels) -> Telling:
    """Tell which models the scripts name."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> ModelFacts:
        return ModelFacts(wire.write_models(arrival.told, _models(wire, scripts)))

    return telling


def one_model(wire: ListsModels) -> Telling:
    """Tell of one of these models, the one that the path names."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> ModelFacts:
        model = arrival.from_path["model"]
        return ModelFacts(wire.write_model(arrival.told, model, _models(wire, scripts)), model)

    return telling


def token_count(wire: CountsTokens) -> Telling:
    """Tell how many tokens a prompt is long, as its answer would."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> ModelFacts:
        conversation = wire.read_count(arrival.told, body_of(arrival))
        return ModelFacts(wire.write_count(conversation), conversation.model)

    return telling


def _models(wire: ListsModels, scripts: Sequence[Script]) -> Sequence[str]:
    wires = wire.listed_wires
    named = [one for script in scripts for wire in wires for one in script.models_of(wire)]
    return list(dict.fromkeys(named))
