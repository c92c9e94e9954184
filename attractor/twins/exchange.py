"""One exchange with a twin: from a request's bytes and what came before to the reply's bytes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta

from attractor.base.canonical import JsonObject, content_hash, parse_json
from attractor.base.errors import NotCanonical
from attractor.base.late_dataclass import dataclass
from attractor.twins.answer import Answer, Fault, FaultKind
from attractor.twins.errors import Rejection
from attractor.twins.faults import place_of, troubled
from attractor.twins.prompt_cache import Cached, PromptCache
from attractor.twins.reply import Reply, streamed, whole
from attractor.twins.script import Script
from attractor.twins.server_events import ServerEvent, json_text
from attractor.twins.wire import Asked, ListsModels, Wire

_SEED_LENGTH = 24
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

    @property
    def seed(self) -> str:
        """A word that is the same for the same request alone."""
        place = "".join(self.from_path.values())
        return content_hash((self.wire.name + place).encode() + self.body)[:_SEED_LENGTH]


def reply_to(arrival: Arrival, script: Script, prompts: PromptCache | None = None) -> Reply:
    """Answer a request as the script says, with what it has in common with earlier prompts."""
    prompts = prompts or PromptCache()
    rule = ""
    wire = arrival.wire
    try:
        body = {**_object(arrival.body), **arrival.from_path}
        conversation = wire.read(arrival.headers, body)
        streams = wire.wants_stream(body, arrival.target)
        found = script.rule_for(conversation, attempt=arrival.attempt)
        rule = found.name
        asked = Asked(conversation, body, arrival.seed)
        write = _stream if streams else _body
        written = write(wire, _counted(found.answer, prompts.look_up(asked)), asked)
    except Rejection as rejection:
        return _refusal(wire, rejection, rule=rule)
    if written.begins and written.status == _GOOD:
        prompts.remember(asked)
    return replace(written, rule=rule, delay=found.answer.delay)


def list_models(wire: ListsModels, headers: Mapping[str, str], script: Script) -> Reply:
    """Tell which models there are: those that the script names."""
    try:
        models = wire.write_models(headers, script.models_of(wire.name))
    except Rejection as rejection:
        return _refusal(wire, rejection)
    return whole(200, json_text(models).encode(), {})


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
        return _refusal(wire, _rejection(fault), headers=answer.headers)
    if fault and fault.kind is FaultKind.MALFORMED:
        return whole(200, fault.body.encode(), answer.headers)
    reply = whole(200, json_text(wire.write(answer, asked)).encode(), answer.headers)
    return troubled(reply, fault) if fault else reply


def _stream(wire: Wire, answer: Answer, asked: Asked) -> Reply:
    """Answer event by event."""
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS and not fault.events_before:
        return _refusal(wire, _rejection(fault), headers=answer.headers)
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


def _refusal(
    wire: Wire,
    rejection: Rejection,
    *,
    headers: Mapping[str, str] | None = None,
    rule: str = "",
) -> Reply:
    wait = rejection.retry_after
    said = {} if wait is None else {"retry-after": _seconds(wait)}
    body = json_text(wire.write_error(rejection)).encode()
    return whole(rejection.status, body, {**said, **(headers or {})}, rule=rule)


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
