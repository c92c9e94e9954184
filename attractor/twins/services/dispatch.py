"""Stands in for a service: answers one request at a time, with a state, a clock and a log."""

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
from attractor.twins.exchange.answer import Fault, FaultKind
from attractor.twins.exchange.reply import Reply, troubled
from attractor.twins.server.request_log import KEEP, BoundedLog
from attractor.twins.services.authentication import Authentication, Curtain
from attractor.twins.services.errors import Unanswerable
from attractor.twins.services.faults import Trouble
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import Response, json_response
from attractor.twins.services.route import Call, Route, find_route
from attractor.twins.services.service import Service
from attractor.twins.services.state import Gauge, Limit, ServiceClock, State, written_time
from attractor.twins.services.templates import TemplateTrouble


@dataclass(frozen=True)
class ServedRequest:
    """One request: when it came by the twin's clock, who answered it, and how.

    Its status is 0 when none was sent; `why` says what the twin itself could not do.
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
        """Return it for a program."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What became of a request: the status it got, who answered, and in which trouble."""

    status: int
    route: str = ""
    visit: int = 0
    fault: str = ""
    why: str = ""


def served_request(
    number: int, at: str, request: ServiceRequest, outcome: Outcome, auth: Authentication | None
) -> ServedRequest:
    """Return a request for the log, with keys hidden."""
    curtain = Curtain(auth, request)
    return ServedRequest(
        number=number,
        at=at,
        method=request.method,
        path=curtain.text(request.path),
        query=curtain.query(),
        headers=curtain.headers(),
        body=curtain.value(request.body),
        route=outcome.route,
        visit=outcome.visit,
        status=outcome.status,
        fault=outcome.fault,
        why=curtain.text(outcome.why),
    )


OWN_ERROR = "x-twin-error"
"""The header of what the twin says by itself, as no service would."""


@dataclass(frozen=True)
class Answered:
    """A reply, what became of the state, and what the twin itself could not do."""

    reply: Reply
    state: State
    why: str = ""


@dataclass(frozen=True)
class Desk:
    """One service, as it stands at the time of a request."""

    service: Service
    gauge: Gauge
    elapsed: timedelta

    def answer(self, route: Route, call: Call, trouble: Trouble | None) -> Answered:
        """Answer a request; of one that fails nothing is kept."""
        before = call.state.copy()
        if trouble and trouble.fault and not trouble.is_performed:
            response = self._in_place(trouble.fault, call)
            return Answered(_delivered(response, trouble), before)
        try:
            response = self._performed(route, call)
        except Rejection as cause:
            return self._settled(before, call, cause, trouble)
        except (Unanswerable, TemplateTrouble) as cause:
            return Answered(*_failed(route, cause, before))
        if trouble and trouble.fault:
            response = self._in_place(trouble.fault, call, response)
        return Answered(_delivered(response, trouble), call.state)

    def _settled(
        self, before: State, call: Call, cause: Rejection, trouble: Trouble | None
    ) -> Answered:
        try:
            response = self._refused(cause, replace(call, state=before))
        except TemplateTrouble as second:
            told = Unanswerable(500, "template", f"the shape of errors: {second}")
            return Answered(own_error(told).reply, before, told.message)
        return Answered(_delivered(response, trouble), before)

    def _performed(self, route: Route, call: Call) -> Response:
        auth = self.service.written.auth
        if auth and route.written.auth and not auth.lets_in(call.request):
            raise Rejection(auth.status, "the key is missing or wrong", code="unauthorized")
        self._limit("", self.service.written.limit)
        self._limit(route.name, route.written.limit)
        request = auth.without_key(call.request) if auth else call.request
        return route.answers(replace(call, request=request))

    def _limit(self, name: str, limit: Limit | None) -> None:
        if limit:
            self.gauge.pass_or_reject(name, limit, self.elapsed)

    def _refused(self, cause: Rejection, call: Call) -> Response:
        """Say no in the shape that the service declares."""
        auth = self.service.written.auth
        names = call.names(message=cause.message, code=cause.code, status=cause.status)
        if auth and cause.code == "unauthorized" and auth.shape:
            return auth.shape.written(names)
        response = self.service.written.errors.written(cause.status, names)
        if auth and cause.code == "unauthorized":
            headers = {name: one.text(names) for name, one in auth.headers.items()}
            response = response.with_headers(headers)
        if cause.retry_after is None:
            return response
        seconds = -(-cause.retry_after // timedelta(seconds=1))
        return response.with_headers({"retry-after": str(seconds)})

    def _in_place(self, fault: Fault, call: Call, response: Response | None = None) -> Response:
        """Return what a fault says instead of the response, if it says anything."""
        if fault.kind is FaultKind.STATUS:
            code = fault.code or "fault"
            cause = Rejection(fault.status, fault.message, code=code, retry_after=fault.retry_after)
            return self._refused(cause, call)
        if fault.kind is FaultKind.MALFORMED:
            return Response(200, {"content-type": "application/json"}, fault.body.encode())
        return response or Response()


def own_error(cause: Unanswerable) -> Response:
    """Say what the twin cannot do, so that nobody takes it for the service's own word."""
    error: dict[str, Json] = {"code": cause.code, "message": cause.message}
    told: dict[str, Json] = {"error": error, "twin": True}
    return json_response(told, cause.status, {OWN_ERROR: cause.code})


def _failed(
    route: Route, cause: Unanswerable | TemplateTrouble, before: State
) -> tuple[Reply, State, str]:
    if isinstance(cause, TemplateTrouble):
        cause = Unanswerable(500, "template", f"route {route.name!r}: {cause}")
    return own_error(cause).reply, before, cause.message


def _delivered(response: Response, trouble: Trouble | None) -> Reply:
    reply = response.reply
    if trouble is None:
        return reply
    if trouble.fault:
        reply = troubled(reply, trouble.fault)
    return replace(reply, delay=trouble.delay or timedelta())


Onlooker = Callable[[ServedRequest], None]


_ENDED = "the twin's clock cannot go on by its step: reset the twin, or declare an earlier start"


@dataclass
class _Armed:
    """Trouble for so many requests to come, of one route or of all."""

    trouble: Trouble
    left: int
    route: str


class StandIn:
    """A service that is stood in for; safe to use from several threads."""

    def __init__(
        self,
        service: Service,
        *,
        seed: int | None = None,
        clock: Clock | None = None,
        with_faults: bool = True,
        onlooker: Onlooker | None = None,
        keep: int = KEEP,
    ) -> None:
        self.service = service
        self.seed = service.written.seed if seed is None else seed
        self._machine = clock or SystemClock()
        self._with_faults = with_faults
        self._onlooker = onlooker
        self._turn = threading.Lock()
        self.log = BoundedLog[ServedRequest](keep)
        self._begin()

    @property
    def requests(self) -> Sequence[ServedRequest]:
        """What it was asked since it began or was reset, as far as it is kept."""
        return self.log.entries

    @property
    def now(self) -> datetime:
        """Its date and time."""
        return self._clock.now

    def answer(self, request: ServiceRequest) -> Reply:
        """Answer a request, and remember it."""
        with self._turn:
            at = self._clock.now
            outcome, reply = self._answered(request, at)
            entry = self._remember(request, at, outcome)
        self._tell(entry)
        return _dated(reply, at)

    def remember(self, request: ServiceRequest, outcome: Outcome) -> None:
        """Remember a request that was answered by somebody else."""
        with self._turn:
            entry = self._remember(request, self._clock.now, outcome)
        self._tell(entry)

    def state(self) -> dict[str, Json]:
        """Return a copy of the state: collections as tables of records by id, and values."""
        with self._turn:
            return self._state.loose_tables()

    def reset(self) -> None:
        """Begin anew: state, clock, counters, chance, armed trouble and log."""
        with self._turn:
            self._begin()

    def advance(self, by: timedelta) -> datetime:
        """Let time go by, and return the new time."""
        with self._turn:
            self._clock.advance(by)
            return self._clock.now

    def set_clock(self, to: datetime) -> datetime:
        """Go to a later time, and return it."""
        with self._turn:
            self._clock.set(to)
            return self._clock.now

    def arm(self, trouble: Trouble, *, requests: int = 1, route: str = "") -> None:
        """Let the next requests meet trouble, those of a route or all."""
        names = [one.name for one in self.service.routes]
        if route and route not in names:
            raise UnknownName("route", route, names)
        with self._turn:
            self._armed.append(_Armed(trouble, requests, route))

    def _begin(self) -> None:
        self._state = self.service.state.copy()
        self._state.seed = self.seed
        self._clock = ServiceClock(self.service.written.clock, self._machine)
        self._visits = Counter[str]()
        self._gauge = Gauge({})
        self._armed = deque[_Armed]()
        self.log.forget()

    def _answered(self, request: ServiceRequest, at: datetime) -> tuple[Outcome, Reply]:
        try:
            if self._clock.is_at_its_end:
                raise Unanswerable(400, "clock_ended", _ENDED)
            route, from_path = find_route(self.service.routes, request)
        except Unanswerable as cause:
            reply = own_error(cause).reply
            return Outcome(reply.status, why=str(cause)), reply
        self._visits[route.name] += 1
        visit = self._visits[route.name]
        trouble = self._trouble(route)
        call = Call(request, from_path, self._state.copy(), at, visit)
        answered = Desk(self.service, self._gauge, self._clock.elapsed).answer(route, call, trouble)
        self._state = answered.state
        status = answered.reply.status if answered.reply.begins else 0
        fault = trouble.kind if trouble else ""
        return Outcome(status, route.name, visit, fault, answered.why), answered.reply

    def _remember(self, request: ServiceRequest, at: datetime, outcome: Outcome) -> ServedRequest:
        self._clock.step()
        number, auth = self.log.count + 1, self.service.written.auth
        entry = served_request(number, written_time(at), request, outcome, auth)
        return self.log.add(entry, len(request.content))

    def _tell(self, entry: ServedRequest) -> None:
        if self._onlooker:
            self._onlooker(entry)

    def _trouble(self, route: Route) -> Trouble | None:
        """Return the trouble of this request: what was armed, else the route's or the service's."""
        for armed in self._armed:
            if armed.route in ("", route.name):
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
                return armed.trouble
        return self._declared_trouble(route) if self._with_faults else None

    def _declared_trouble(self, route: Route) -> Trouble | None:
        own = self._met(route.written.faults, route.name, self._visits[route.name])
        return own or self._met(self.service.written.faults, "", self._visits.total())

    def _met(self, faults: Sequence[Trouble], place: str, number: int) -> Trouble | None:
        named = ((f"{place}/{index}", one) for index, one in enumerate(faults))
        return next((one for name, one in named if one.comes(number, self.seed, name)), None)


def _dated(reply: Reply, at: datetime) -> Reply:
    """Return a reply with its date, which HTTP wants of a server that knows the time."""
    return replace(reply, headers={"date": format_datetime(at, usegmt=True), **reply.headers})
