"""The state of a provider twin: its replies and its log of requests."""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, canonical_json, content_hash, parse_json
from attractor.base.records import write_fields
from attractor.base.registry import Registry
from attractor.twins.errors import NoMatchingRule, Rejection
from attractor.twins.exchange.answer import (
    Answer,
    Fault,
    FaultKind,
    Reply,
    apply_fault,
    events_before,
    streamed,
    whole,
)
from attractor.twins.exchange.wire import (
    CountsTokens,
    ListsModels,
    PromptCache,
    ServerEvent,
    Wire,
    WireRequest,
    json_text,
)
from attractor.twins.recordings.recording import Recordings, RedactedRequest, request_of
from attractor.twins.redaction import HIDDEN, ApiKeys, hide_in_body, is_secret_header, request_keys
from attractor.twins.script.script import Script, choose, rule_entries, warn_of_answer

_SEED_LENGTH = 24
_GOOGLE_KEY = "x-goog-api-key"
_PING = "ping"
_PROMPT_USAGE = {"input", "cache_read", "cache_write"}


@dataclass(frozen=True)
class IncomingRequest:
    """A request to a provider twin; `target` is the path with the query.

    `attempt` is the number of times the same request was sent; `from_path` contains the values in
    the path.
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
        """A text that is equal for equal requests only."""
        values = "".join(self.from_path.values())
        return content_hash((self.wire.name + values).encode() + self.body)[:_SEED_LENGTH]

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query."""
        return self.target.partition("?")[2]

    @property
    def headers_with_key(self) -> Mapping[str, str]:
        """The headers, and the API key that Google's clients can send in the query."""
        parameters = dict(parse_qsl(self.query))
        key = {_GOOGLE_KEY: parameters["key"]} if "key" in parameters else {}
        return {**key, **self.headers}

    @property
    def keys(self) -> ApiKeys:
        """The API keys in the request."""
        return request_keys(self.headers, self.query)

    @property
    def redacted(self) -> RedactedRequest:
        """The request without API keys, in the same form as in recordings."""
        keys = self.keys
        request = request_of(hide_in_body(self.body, keys))
        return RedactedRequest(self.wire.name, self.method, keys.text(self.path), request)


class TwinMemory:
    """The cached prompts, the number of uses of each rule, and the position in the recordings."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self.prompts = PromptCache()
        self.recordings = recordings
        self._uses = Counter[int]()

    def use(self, entry: int) -> int:
        """Count a use of a rule, and return the number of its uses."""
        self._uses[entry] += 1
        return self._uses[entry]

    def uses(self, entry: int) -> int:
        """Return the number of uses of a rule."""
        return self._uses[entry]

    def clear_uses(self) -> None:
        """Forget the uses of all rules."""
        self._uses.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.clear_uses()
        self.prompts = PromptCache()
        if self.recordings is not None:
            self.recordings.reset()


def reply_to(
    incoming: IncomingRequest, scripts: Script | Sequence[Script], memory: TwinMemory | None = None
) -> Reply:
    """Return the reply to a request, from the scripts or otherwise from the recordings."""
    memory = memory or TwinMemory()
    scripts = [scripts] if isinstance(scripts, Script) else scripts
    try:
        request = read_request(incoming)
    except Rejection as rejection:
        return _recorded_reply(incoming, rejection, scripts, memory)
    try:
        reply = _scripted_reply(incoming, request, scripts, memory)
    except NoMatchingRule as rejection:
        reply = _recorded_reply(incoming, rejection, scripts, memory)
    except Rejection as rejection:
        reply = error_reply(incoming.wire, rejection)
    return replace(reply, model=request.conversation.model, step=request.conversation.step)


def read_request(incoming: IncomingRequest) -> WireRequest:
    """Return the conversation and the body of a request, or raise the Rejection of the provider."""
    body = _body_of(incoming)
    conversation = incoming.wire.read(incoming.headers_with_key, body)
    return WireRequest(conversation, body, incoming.seed)


def _body_of(incoming: IncomingRequest) -> JsonObject:
    try:
        body = parse_json(incoming.body)
    except NotCanonical as cause:
        raise Rejection(400, f"the body: {cause.message}") from cause
    if not isinstance(body, dict):
        raise Rejection(400, "the body is not a JSON object")
    return {**body, **incoming.from_path}


def _scripted_reply(
    incoming: IncomingRequest, request: WireRequest, scripts: Sequence[Script], memory: TwinMemory
) -> Reply:
    choice = choose(
        rule_entries(scripts), request.conversation, attempt=incoming.attempt, uses=memory.uses
    )
    rule = choice.entry.name
    answer = choice.with_drawn_fault(memory.use(choice.entry.number))
    if not answer.usage.model_fields_set & _PROMPT_USAGE:
        # The script gives no usage of the prompt.
        cached = memory.prompts.look_up(request)
        counted = {"cache_read": cached.read, "cache_write": cached.written}
        answer = answer.model_copy(update={"usage": answer.usage.model_copy(update=counted)})
    write = _stream if incoming.wire.wants_stream(request.body, incoming.target) else _body
    try:
        reply = write(incoming.wire, answer, request)
    except Rejection as rejection:
        return error_reply(incoming.wire, rejection, rule=rule)
    if reply.begins and reply.status == 200:
        memory.prompts.remember(request)
        reply = replace(reply, warning=warn_of_answer(answer, request.conversation))
    return replace(reply, rule=rule, delay=choice.answer.delay)


def _recorded_reply(
    incoming: IncomingRequest,
    rejection: Rejection,
    scripts: Sequence[Script],
    memory: TwinMemory,
) -> Reply:
    """Return the recorded reply to a request that no script answers, or a rejection."""
    recordings = memory.recordings
    if recordings is None:
        return error_reply(incoming.wire, rejection)
    redacted = incoming.redacted
    recorded = recordings.answer(redacted)
    if recorded:
        return recorded
    message = recordings.refusal(redacted)
    if not scripts:
        return error_reply(incoming.wire, Rejection(400, message, code="no_recording"))
    both = f"{rejection.message}; {message}"
    return error_reply(incoming.wire, Rejection(rejection.status, both, code=rejection.code))


def _body(wire: Wire, answer: Answer, request: WireRequest) -> Reply:
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS:
        return error_reply(wire, _rejection(fault), headers=answer.headers)
    if fault and fault.kind is FaultKind.MALFORMED:
        return whole(200, fault.body.encode(), answer.headers)
    reply = whole(200, json_text(wire.write(answer, request)).encode(), answer.headers)
    return apply_fault(reply, fault) if fault else reply


def _stream(wire: Wire, answer: Answer, request: WireRequest) -> Reply:
    fault = answer.fault
    if fault and fault.kind is FaultKind.STATUS and not fault.events_before:
        return error_reply(wire, _rejection(fault), headers=answer.headers)
    events = list(wire.stream(wire.write(answer, request)))
    pieces = _faulty_pieces(wire, events, fault) if fault else [event.encoded() for event in events]
    reply = replace(streamed(pieces, answer.headers), pause=answer.pace)
    return apply_fault(reply, fault) if fault else reply


def _faulty_pieces(wire: Wire, events: Sequence[ServerEvent], fault: Fault) -> Sequence[bytes]:
    """Encode the events of a stream that contains a fault."""
    index = events_before(fault, len(events))
    pieces = [event.encoded() for event in events]
    if fault.kind is FaultKind.MALFORMED:
        # Clients skip a ping without reading it.
        index += events[index].name == _PING
        pieces[index] = events[index].encoded(fault.body)
    elif fault.kind is FaultKind.STATUS:
        ends = wire.error_events(_rejection(fault), events[:index])
        pieces[index:] = [event.encoded() for event in ends]
    return pieces


def _rejection(fault: Fault) -> Rejection:
    return Rejection(fault.status, fault.message, code=fault.code, retry_after=fault.retry_after)


def error_reply(
    wire: Wire,
    rejection: Rejection,
    *,
    headers: Mapping[str, str] | None = None,
    rule: str = "",
) -> Reply:
    """Return an error in the format of the provider."""
    retry: dict[str, str] = {}
    if rejection.retry_after is not None:
        seconds = rejection.retry_after.total_seconds()
        whole_seconds = math.trunc(seconds)
        retry["retry-after"] = str(whole_seconds if seconds == whole_seconds else seconds)
    body = json_text(wire.write_error(rejection)).encode()
    rule = rule or rejection.rule
    reply = whole(rejection.status, body, {**retry, **(headers or {})}, rule=rule)
    return replace(reply, error=rejection.message)


@dataclass(frozen=True)
class ModelInfo:
    """The body of a response about models.

    `model` is the model that the request names, or an empty text.
    """

    body: JsonObject
    model: str = ""


ModelEndpoint: TypeAlias = Callable[[IncomingRequest, Sequence[Script]], ModelInfo]


def model_reply(
    incoming: IncomingRequest,
    endpoint: ModelEndpoint,
    scripts: Sequence[Script],
    memory: TwinMemory,
) -> Reply:
    """Return the reply about models, from the recordings or otherwise from the scripts."""
    recordings = memory.recordings
    recorded = recordings.answer(incoming.redacted) if recordings is not None else None
    if recorded:
        return recorded
    if not scripts and recordings is not None:
        return _recorded_reply(incoming, NoMatchingRule(400, ""), scripts, memory)
    try:
        info = endpoint(incoming, scripts)
    except Rejection as rejection:
        return error_reply(incoming.wire, rejection)
    return replace(whole(200, json_text(info.body).encode(), {}), model=info.model)


def list_models(wire: ListsModels) -> ModelEndpoint:
    """Return the endpoint that lists the models in the scripts."""

    def endpoint(incoming: IncomingRequest, scripts: Sequence[Script]) -> ModelInfo:
        models = _models(wire, scripts)
        return ModelInfo(wire.write_models(incoming.headers_with_key, models))

    return endpoint


def describe_model(wire: ListsModels) -> ModelEndpoint:
    """Return the endpoint that describes the model in the path."""

    def endpoint(incoming: IncomingRequest, scripts: Sequence[Script]) -> ModelInfo:
        model, models = incoming.from_path["model"], _models(wire, scripts)
        return ModelInfo(wire.write_model(incoming.headers_with_key, model, models), model)

    return endpoint


def count_prompt(wire: CountsTokens) -> ModelEndpoint:
    """Return the endpoint that counts the tokens of a prompt."""

    def endpoint(incoming: IncomingRequest, scripts: Sequence[Script]) -> ModelInfo:
        conversation = wire.read_count(incoming.headers_with_key, _body_of(incoming))
        return ModelInfo(wire.write_count(conversation), conversation.model)

    return endpoint


def _models(wire: ListsModels, scripts: Sequence[Script]) -> Sequence[str]:
    listed = wire.listed_wires
    names = [name for script in scripts for other in listed for name in script.models_of(other)]
    return list(dict.fromkeys(names))


KEEP = 10_000
"""The default number of requests in a log."""
_MAX_BYTES = 256 * 1024 * 1024
_MAX_ATTEMPTS = 200_000
_STREAM_FIELDS = ("stream", "stream_options")


class LogEntry(Protocol):
    """One request in a log."""

    @property
    def number(self) -> int:
        """The number of the request; the first is 1."""
        ...

    def record(self) -> dict[str, object]:
        """Return the request as JSON."""
        ...


L = TypeVar("L", bound=LogEntry)


class BoundedLog(Generic[L]):
    """Keeps the latest requests, limited by number and by total size of the bodies."""

    def __init__(self, keep: int = KEEP, max_bytes: int = _MAX_BYTES) -> None:
        self._keep, self._max_bytes = keep, max_bytes
        self._entries = deque[tuple[L, int]]()
        self._bytes = 0
        self.count = 0
        """The number of all requests, including dropped requests."""

    @property
    def entries(self) -> Sequence[L]:
        """The requests in the log; safe to read from another thread."""
        return [entry for entry, _ in self._entries.copy()]

    @property
    def dropped(self) -> int:
        """The number of older requests that were dropped."""
        return self.count - len(self._entries)

    def add(self, entry: L, size: int) -> L:
        """Add a request with a body of this size, and drop older requests beyond the limits."""
        self.count += 1
        self._entries.append((entry, size))
        self._bytes += size
        # The newest request is kept, whatever its size.
        while len(self._entries) > max(1, self._keep) or (
            self._bytes > self._max_bytes and len(self._entries) > 1
        ):
            self._bytes -= self._entries.popleft()[1]
        return entry

    def clear(self) -> None:
        """Drop all requests, and begin with number 1 again."""
        self._entries.clear()
        self._bytes = self.count = 0


@dataclass(frozen=True)
class LoggedRequest:
    """One request to a provider twin.

    `at` is in seconds since the start, by the twin's clock. If the request was not answered, `rule`
    is empty and `status` is 0. `error` is the reason of a rejection. `warning` describes an answer
    that the client cannot use.
    """

    number: int
    at: float
    wire: str
    method: str
    headers: Mapping[str, str]
    content: bytes
    path: str
    from_path: Mapping[str, str]
    model: str
    step: int | None
    attempt: int
    rule: str
    status: int
    error: str = ""
    warning: str = ""

    @property
    def body(self) -> Json:
        """The body as JSON, otherwise as text."""
        try:
            return parse_json(self.content)
        except NotCanonical:
            return self.content.decode("utf-8", "replace")

    def record(self) -> dict[str, object]:
        """Return the request as JSON."""
        return {**write_fields(self, content=""), "body": self.body}


class RequestLog:
    """The latest requests to a provider twin, and the number of attempts of each request."""

    def __init__(self, requests: BoundedLog[LoggedRequest] | None = None) -> None:
        self.requests = requests or BoundedLog[LoggedRequest]()
        self._attempts = OrderedDict[str, int]()

    def count_attempt(self, target: str, body: bytes) -> int:
        """Return the number of times this request was sent, including this time.

        Requests are equal if their JSON is, with and without a stream.
        """
        request = request_of(body)
        if isinstance(request, dict):
            request = {name: request[name] for name in request if name not in _STREAM_FIELDS}
        key = content_hash(canonical_json([target, request]).encode())
        count = self._attempts.pop(key, 0) + 1
        self._attempts[key] = count
        if len(self._attempts) > _MAX_ATTEMPTS:
            self._attempts.popitem(last=False)
        return count

    def add(self, incoming: IncomingRequest, reply: Reply, at: float = 0.0) -> LoggedRequest:
        """Add a request and the reply."""
        entry = LoggedRequest(
            number=self.requests.count + 1,
            at=round(at, 6),
            wire=incoming.wire.name,
            method=incoming.method,
            headers={
                name: HIDDEN if is_secret_header(name) else value
                for name, value in incoming.headers.items()
            },
            content=incoming.body,
            # Without the query, which may contain a key.
            path=incoming.path,
            from_path=dict(incoming.from_path),
            model=reply.model,
            step=reply.step,
            attempt=incoming.attempt,
            rule=reply.rule,
            status=reply.status if reply.begins else 0,
            error=reply.error,
            warning=reply.warning,
        )
        return self.requests.add(entry, len(entry.content))

    def clear(self) -> None:
        """Drop all requests and attempts."""
        self.requests.clear()
        self._attempts.clear()


OnRequest = Callable[[LoggedRequest], None]


class ProviderState:
    """Answers and logs requests."""

    def __init__(
        self,
        scripts: Sequence[Script],
        wires: Registry[Wire],
        *,
        log: RequestLog,
        memory: TwinMemory,
        clock: Clock,
        on_request: OnRequest | None = None,
    ) -> None:
        self.scripts = tuple(scripts)
        self.wires = wires
        self.log = log
        self.memory = memory
        self.clock = clock
        self._on_request = on_request
        self._start = clock.monotonic()

    def answer(self, incoming: IncomingRequest) -> Reply:
        """Answer a request."""
        return self.log_request(incoming, reply_to(incoming, self.scripts, self.memory))

    def answer_about_models(self, incoming: IncomingRequest, endpoint: ModelEndpoint) -> Reply:
        """Answer a request about models or the length of a prompt."""
        reply = model_reply(incoming, endpoint, self.scripts, self.memory)
        return self.log_request(incoming, reply)

    def reject(
        self,
        incoming: IncomingRequest,
        rejection: Rejection,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Answer a request with an error in the format of the provider."""
        return self.log_request(incoming, error_reply(incoming.wire, rejection, headers=headers))

    def log_request(self, incoming: IncomingRequest, reply: Reply) -> Reply:
        """Log a request and its reply, and return the reply with the id of the request."""
        if name := incoming.wire.request_id_header:
            number = f"req_{incoming.seed}_{incoming.attempt}"
            reply = replace(reply, headers={name: number, **reply.headers})
        entry = self.log.add(incoming, reply, self.clock.monotonic() - self._start)
        if self._on_request:
            self._on_request(entry)
        return reply

    def reset(self) -> None:
        """Forget all requests, but keep the scripts."""
        self.memory.clear()
        self.log.clear()
        self._start = self.clock.monotonic()

    def replace_script(self, script: Script) -> None:
        """Replace all scripts."""
        self.scripts = (script,)
        self.memory.clear_uses()

    def usage(self) -> list[dict[str, Json]]:
        """Return every rule in order, with the number of its uses."""
        return [
            {
                "number": entry.number,
                "name": entry.name,
                "script": entry.script.source,
                "when": entry.rule.when.model_dump(exclude_none=True) if entry.rule else {},
                "used": self.memory.uses(entry.number),
            }
            for entry in rule_entries(self.scripts)
        ]


def with_conversation(incoming: IncomingRequest, reply: Reply) -> Reply:
    """Return a reply with the model and the step of the request, if the request is valid."""
    try:
        conversation = read_request(incoming).conversation
    except Rejection:
        return reply
    return replace(reply, model=conversation.model, step=conversation.step)
