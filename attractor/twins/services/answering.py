"""How a request is answered: by its route, or refused in the service's shape or the twin's own."""

from dataclasses import replace
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.twins.answer import Fault, FaultKind
from attractor.twins.errors import Rejection
from attractor.twins.faults import troubled
from attractor.twins.reply import Reply
from attractor.twins.services.errors import Unanswerable
from attractor.twins.services.limits import Gauge, Limit
from attractor.twins.services.responses import Response, json_response
from attractor.twins.services.route import Call, Route
from attractor.twins.services.service import Service
from attractor.twins.services.state import State
from attractor.twins.services.templates import TemplateTrouble
from attractor.twins.services.trouble import Trouble

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
