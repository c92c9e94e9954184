"""One exchange with a twin: from a request's bytes and what came before to the reply's bytes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from urllib.parse import parse_qsl

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, content_hash, parse_json
from attractor.twins.answer import Answer, Fault, FaultKind
from attractor.twins.choosing import choose, entries_of
from attractor.twins.errors import NoRule, Rejection
from attractor.twins.faults import place_of, troubled
from attractor.twins.hidden_keys import HiddenKeys, keys_of
from attractor.twins.hiding import hide_in_body
from attractor.twins.memory import Memory
from attractor.twins.prompt_cache import Cached
from attractor.twins.recording import request_of
from attractor.twins.recordings import Sought
from attractor.twins.reply import Reply, streamed, whole
from attractor.twins.script import Script
from attractor.twins.server_events import ServerEvent, json_text
from attractor.twins.wire import Asked, Wire

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
    except NoRule as rejection:
        reply = unanswered(arrival, rejection, tried, memory)
    except Rejection as rejection:
        reply = refusal(arrival.wire, rejection)
    return replace(reply, model=asked.conversation.model, step=asked.conversation.step)


def understand(arrival: Arrival) -> Asked:
    """Return what a request says, or refuse it as its provider would."""
    body = body_of(arrival)
    return Asked(arrival.wire.read(arrival.told, body), body, arrival.seed)


def body_of(arrival: Arrival) -> JsonObject:
    """Return the body of a request with what its path says, or refuse it."""
    return {**_object(arrival.body), **arrival.from_path}


def _scripted(arrival: Arrival, asked: Asked, scripts: Sequence[Script], memory: Memory) -> Reply:
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


def _body(wire: Wire, answer: Answer, asked: Asked) -> Reply:
    """Answer in one piece."""
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS:
        return refusal(wire, _rejection(fault), headers=answer.headers)
    if fault and fault.kind is FaultKind.MALFORMED:
        return whole(200, fault.body.encode(), answer.headers)
    reply = whole(200, json_text(wire.write(answer, asked)).encode(), answer.headers)
    return troubled(reply, fault) if fault else reply


def _stream(wire: Wire, answer: Answer, asked: Asked) -> Reply:
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
