"""Stands in for a service: one request at a time, with a state, a clock and a log."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.twins.bounded_log import KEEP, BoundedLog
from attractor.twins.reply import Reply
from attractor.twins.services.answering import Desk, own_error
from attractor.twins.services.clocks import ServiceClock, written_time
from attractor.twins.services.errors import Unanswerable
from attractor.twins.services.limits import Gauge
from attractor.twins.services.request_log import Outcome, ServedRequest, served_request
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.route import Call, Route
from attractor.twins.services.routing import find_route
from attractor.twins.services.service import Service
from attractor.twins.services.trouble import Trouble

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
