"""One exchange with a twin, as a pure function: from a request's bytes to the reply's bytes."""

import json
import math
from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta

from attractor.base.canonical import Json, JsonObject, content_hash, parse_json
from attractor.base.errors import NotCanonical
from attractor.base.late_dataclass import dataclass
from attractor.twins.answer import Answer, Fault, FaultKind
from attractor.twins.errors import Rejection
from attractor.twins.script import Script
from attractor.twins.wire import Asked, ListsModels, Wire

_SEED_LENGTH = 24


@dataclass(frozen=True)
class Arrival:
    """A request as it came, how often the very same one has come by now, what its path says."""

    wire: Wire
    headers: Mapping[str, str]
    body: bytes
    attempt: int = 1
    from_path: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def seed(self) -> str:
        """A word that is the same for the same request alone."""
        place = "".join(self.from_path.values())
        return content_hash((self.wire.name + place).encode() + self.body)[:_SEED_LENGTH]


@dataclass(frozen=True)
class Reply:
    """What is sent back, when, and whether the connection lives to see it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    rule: str = ""
    delay: timedelta = timedelta()
    trouble: FaultKind | None = None


def reply_to(arrival: Arrival, script: Script) -> Reply:
    """Answer a request as the script says."""
    rule = ""
    try:
        body = {**_object(arrival.body), **arrival.from_path}
        conversation = arrival.wire.read(arrival.headers, body)
        found = script.rule_for(conversation, attempt=arrival.attempt)
        rule = found.name
        return _reply(arrival.wire, found.answer, Asked(conversation, body, arrival.seed), rule)
    except Rejection as rejection:
        return _refusal(arrival.wire, rejection, rule)


def list_models(wire: ListsModels, headers: Mapping[str, str], script: Script) -> Reply:
    """Tell which models there are: those that the script names."""
    try:
        return Reply(200, _written(wire.write_models(headers, script.models_of(wire.name))))
    except Rejection as rejection:
        return _refusal(wire, rejection, "")


def _reply(wire: Wire, answer: Answer, asked: Asked, rule: str) -> Reply:
    fault = answer.fault
    if fault is None or fault.kind in (FaultKind.CUT, FaultKind.HANG):
        content = _written(wire.write(answer, asked))
        trouble = fault.kind if fault else None
        return Reply(200, content, answer.headers, rule, answer.delay, trouble)
    if fault.kind is FaultKind.MALFORMED:
        return Reply(200, fault.body.encode(), answer.headers, rule, answer.delay, fault.kind)
    refusal = _refusal(wire, _rejection(fault), rule)
    headers = {**refusal.headers, **answer.headers}
    return Reply(refusal.status, refusal.body, headers, rule, answer.delay, fault.kind)


def _rejection(fault: Fault) -> Rejection:
    return Rejection(fault.status, fault.message, code=fault.code, retry_after=fault.retry_after)


def _refusal(wire: Wire, rejection: Rejection, rule: str) -> Reply:
    wait = rejection.retry_after
    headers = {} if wait is None else {"retry-after": _seconds(wait)}
    return Reply(rejection.status, _written(wire.write_error(rejection)), headers, rule)


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


def _written(value: Json | JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
