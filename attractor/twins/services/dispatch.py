"""Answers requests in place of a service, one at a time, with a state, a clock and a log."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Fault, FaultKind, Reply, apply_fault
from attractor.twins.server.provider_state import KEEP, BoundedLog
from attractor.twins.services.authentication import KeyRedactor
from attractor.twins.services.errors import TwinFailure
from attractor.twins.services.request import (
    ServiceRequest,
    ServiceResponse,
    json_response,
    render_headers,
)
from attractor.twins.services.route import FaultRule, Route, RouteCall, find_route
from attractor.twins.services.service import Service
from attractor.twins.services.state import (
    RateLimit,
    RateLimiter,
    ServiceClock,
    ServiceState,
    format_time,
)
from attractor.twins.services.templates import ExpressionError

FAILURE_HEADER = "x-twin-error"
"""The header that marks an error of the twin itself, in contrast to an error of the service."""

_UNAUTHORIZED = "unauthorized"
_CLOCK_ENDED = "the clock has reached its last time: reset the twin, or declare an earlier start"


@dataclass(frozen=True)
class ServedRequest:
    """One request in the log, with keys hidden.

    `at` is a time of the twin's clock. `status` is 0 if no response was sent. `why` describes a
    failure of the twin itself.
    """

    number: int
    at: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    route: str
    visit: int
    status: int
    fault: str
    why: str

    def record(self) -> dict[str, object]:
        """Return the request as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class RequestOutcome:
    """The status sent for a request, the route that answered, the fault, and the failure."""

    status: int
    route: str = ""
    visit: int = 0
    fault: str = ""
    why: str = ""


OnServedRequest = Callable[[ServedRequest], None]


@dataclass(frozen=True)
class _ProcessedRequest:
    """A reply, the state after it, and the failure of the twin if any."""

    reply: Reply
    state: ServiceState
    why: str = ""


@dataclass(frozen=True)
class _RequestProcessor:
    """Answers one request with its route, or with an error."""

    service: Service
    limiter: RateLimiter
    elapsed: timedelta

    def process(self, route: Route, call: RouteCall, rule: FaultRule | None) -> _ProcessedRequest:
        """Answer a request; a request that fails changes no state."""
        before = call.state.copy()
        if rule and rule.fault and not rule.is_performed:
            response = self._apply(rule.fault, call, ServiceResponse())
            return _ProcessedRequest(_reply(response, rule), before)
        try:
            response = self._perform(route, call)
        except Rejection as cause:
            return self._rejected(before, call, cause, rule)
        except ExpressionError as cause:
            failure = TwinFailure(500, "template", f"route {route.name!r}: {cause}")
            return _ProcessedRequest(failure_response(failure).reply, before, failure.message)
        except TwinFailure as cause:
            return _ProcessedRequest(failure_response(cause).reply, before, cause.message)
        if rule and rule.fault:
            response = self._apply(rule.fault, call, response)
        return _ProcessedRequest(_reply(response, rule), call.state)

    def _perform(self, route: Route, call: RouteCall) -> ServiceResponse:
        auth = self.service.table.auth
        if (
            auth
            and route.table.auth
            and not any(authentication.accepts(call.request) for authentication in auth)
        ):
            raise Rejection(auth[0].status, "missing or invalid key", code=_UNAUTHORIZED)
        self._limit("", self.service.table.limit)
        self._limit(route.name, route.table.limit)
        request = call.request
        for authentication in auth:
            request = authentication.without_key(request)
        return route.handler(replace(call, request=request))

    def _limit(self, name: str, limit: RateLimit | None) -> None:
        if limit:
            self.limiter.count_or_reject(name, limit, self.elapsed)

    def _rejected(
        self, before: ServiceState, call: RouteCall, cause: Rejection, rule: FaultRule | None
    ) -> _ProcessedRequest:
        statuses: Mapping[str | None, int] = {**self.service.table.errors.status}
        cause.status = statuses.get(cause.code, cause.status)
        try:
            response = self._error_response(cause, replace(call, state=before))
        except ExpressionError as second:
            failure = TwinFailure(500, "template", f"[errors]: {second}")
            return _ProcessedRequest(failure_response(failure).reply, before, failure.message)
        return _ProcessedRequest(_reply(response, rule), before)

    def _error_response(self, cause: Rejection, call: RouteCall) -> ServiceResponse:
        """Return an error in the format that the service declares."""
        names = call.names(message=cause.message, code=cause.code, status=cause.status)
        is_unauthorized = cause.code == _UNAUTHORIZED
        auth = next(iter(self.service.table.auth), None) if is_unauthorized else None
        if auth and auth.error_response:
            return auth.error_response.render(names)
        response = self.service.table.errors.render(cause.status, names)
        if auth:
            response = response.with_headers(render_headers(auth.headers, names))
        if cause.retry_after is None:
            return response
        seconds = -(-cause.retry_after // timedelta(seconds=1))
        return response.with_headers({"retry-after": str(seconds)})

    def _apply(self, fault: Fault, call: RouteCall, response: ServiceResponse) -> ServiceResponse:
        """Return the response, or the response of a fault that replaces it."""
        if fault.kind is FaultKind.STATUS:
            code = fault.code or "fault"
            cause = Rejection(fault.status, fault.message, code=code, retry_after=fault.retry_after)
            return self._error_response(cause, call)
        if fault.kind is FaultKind.MALFORMED:
            return ServiceResponse(200, {"content-type": "application/json"}, fault.body.encode())
        return response


def failure_response(cause: TwinFailure) -> ServiceResponse:
    """Return the response for a failure of the twin, in a format that differs from the service's
    responses.
    """
    error: dict[str, Json] = {"code": cause.code, "message": cause.message}
    body: dict[str, Json] = {"error": error, "twin": True}
    return json_response(body, cause.status, {FAILURE_HEADER: cause.code})


def _reply(response: ServiceResponse, rule: FaultRule | None) -> Reply:
    reply = response.reply
    if rule is None:
        return reply
    if rule.fault:
        reply = apply_fault(reply, rule.fault)
    return replace(reply, delay=rule.delay or timedelta())


@dataclass
class _ArmedFault:
    """A fault for the next requests of one route or of all routes."""

    rule: FaultRule
    left: int
    route: str


class ServiceDispatcher:
    """A running service twin; safe to use from several threads."""

    def __init__(
        self,
        service: Service,
        *,
        seed: int | None = None,
        clock: Clock | None = None,
        with_faults: bool = True,
        on_request: OnServedRequest | None = None,
        keep: int = KEEP,
    ) -> None:
        self.service = service
        self.seed = service.table.seed if seed is None else seed
        self._machine_clock = clock or SystemClock()
        self._with_faults = with_faults
        self._on_request = on_request
        self._lock = threading.Lock()
        self.log = BoundedLog[ServedRequest](keep)
        self._start()

    @property
    def requests(self) -> Sequence[ServedRequest]:
        """The requests in the log."""
        return self.log.entries

    @property
    def now(self) -> datetime:
        """The date and time of the twin."""
        return self._clock.now

    def answer(self, request: ServiceRequest) -> Reply:
        """Answer a request, and add the request to the log."""
        with self._lock:
            now = self._clock.now
            outcome, reply = self._answer(request, now)
            entry = self._log(request, now, outcome)
        self._notify(entry)
        # HTTP requires a Date header from a server with a clock.
        return replace(reply, headers={"date": format_datetime(now, usegmt=True), **reply.headers})

    def refuse(self, request: ServiceRequest, cause: Rejection) -> Reply:
        """Log a request that the twin does not read, and return the response."""
        failure = TwinFailure(cause.status, "body_too_large", cause.message)
        self.log_request(request, RequestOutcome(cause.status, why=str(failure)))
        return failure_response(failure).reply

    def log_request(self, request: ServiceRequest, outcome: RequestOutcome) -> None:
        """Log a request that the real service answered."""
        with self._lock:
            entry = self._log(request, self._clock.now, outcome)
        self._notify(entry)

    def state(self) -> dict[str, Json]:
        """Return a copy of the state: collections as objects of records by id, and values."""
        with self._lock:
            return self._state.copied_tables()

    def reset(self) -> None:
        """Reset state, clock, counters, random numbers, armed faults and log."""
        with self._lock:
            self._start()

    def advance(self, by: timedelta) -> datetime:
        """Advance the clock, and return the new time."""
        with self._lock:
            self._clock.advance(by)
            return self._clock.now

    def set_clock(self, to: datetime) -> datetime:
        """Set the clock to a later time, and return the new time."""
        with self._lock:
            self._clock.set(to)
            return self._clock.now

    def arm(self, rule: FaultRule, *, requests: int = 1, route: str = "") -> None:
        """Apply a fault to the next requests of one route or of all routes."""
        names = [declared.name for declared in self.service.routes]
        if route and route not in names:
            raise UnknownName("route", route, names)
        with self._lock:
            self._armed.append(_ArmedFault(rule, requests, route))

    def _start(self) -> None:
        self._state = self.service.state.copy()
        self._state.seed = self.seed
        self._clock = ServiceClock(self.service.table.clock, self._machine_clock)
        self._visits = Counter[str]()
        self._limiter = RateLimiter({})
        self._armed = deque[_ArmedFault]()
        self.log.clear()

    def _answer(self, request: ServiceRequest, now: datetime) -> tuple[RequestOutcome, Reply]:
        try:
            if self._clock.is_at_its_end:
                raise TwinFailure(400, "clock_ended", _CLOCK_ENDED)
            route, from_path = find_route(self.service.routes, request)
        except TwinFailure as cause:
            reply = failure_response(cause).reply
            return RequestOutcome(reply.status, why=str(cause)), reply
        self._visits[route.name] += 1
        visit = self._visits[route.name]
        rule = self._fault_rule(route)
        call = RouteCall(request, from_path, self._state.copy(), now, visit)
        processor = _RequestProcessor(self.service, self._limiter, self._clock.elapsed)
        processed = processor.process(route, call, rule)
        self._state = processed.state
        status = processed.reply.status if processed.reply.begins else 0
        fault = rule.kind if rule else ""
        return RequestOutcome(status, route.name, visit, fault, processed.why), processed.reply

    def _log(
        self, request: ServiceRequest, now: datetime, outcome: RequestOutcome
    ) -> ServedRequest:
        self._clock.step()
        redactor = KeyRedactor(self.service.table.auth, request)
        entry = ServedRequest(
            number=self.log.count + 1,
            at=format_time(now),
            method=request.method,
            path=redactor.text(request.path),
            query=redactor.query(),
            headers=redactor.headers(),
            body=redactor.value(request.body),
            route=outcome.route,
            visit=outcome.visit,
            status=outcome.status,
            fault=outcome.fault,
            why=redactor.text(outcome.why),
        )
        return self.log.add(entry, len(request.content))

    def _notify(self, entry: ServedRequest) -> None:
        if self._on_request:
            self._on_request(entry)

    def _fault_rule(self, route: Route) -> FaultRule | None:
        """Return the fault of this request: an armed fault, otherwise the fault of the route or the
        service.
        """
        for armed in self._armed:
            if armed.route in ("", route.name):
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                return armed.rule
        if not self._with_faults:
            return None
        own = self._matching(route.table.faults, route.name, self._visits[route.name])
        return own or self._matching(self.service.table.faults, "", self._visits.total())

    def _matching(self, rules: Sequence[FaultRule], place: str, number: int) -> FaultRule | None:
        named = ((f"{place}/{index}", rule) for index, rule in enumerate(rules))
        return next((rule for name, rule in named if rule.matches(number, self.seed, name)), None)
