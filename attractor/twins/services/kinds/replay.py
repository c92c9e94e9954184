"""Answers with recorded responses of the real service."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Literal, cast

from pydantic import Field

from attractor.base.errors import AttractorError
from attractor.base.json import Json, canonical_json
from attractor.twins.services.errors import InvalidRouteKey, TwinFailure
from attractor.twins.services.recordings import RecordedExchange, load_recording
from attractor.twins.services.request import ServiceRequest, ServiceResponse
from attractor.twins.services.route import RouteCall, RouteContext, RouteHandler, RouteKind


class Replay(RouteKind):
    """Answers with the recorded response to the same method, path, query and body.

    If there are several such responses, they are sent in order.
    """

    recordings: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    then: Literal["stay", "repeat", "fail"]

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that finds the recorded response."""
        responses: dict[str, list[RecordedExchange]] = defaultdict(list)
        for exchange in self._load(context):
            responses[_key(exchange.request.request())].append(exchange)

        def answer(call: RouteCall) -> ServiceResponse:
            key = _key(call.request)
            if key not in responses:
                target = f"{call.request.method} {call.request.target}"
                message = f"no recording of {target} with this body"
                raise TwinFailure(404, "not_recorded", message)
            turn = call.state.counter(f"replay {key}") - 1
            recorded = responses[key]
            if turn >= len(recorded) and self.then == "fail":
                message = f"request {turn + 1}, but only {len(recorded)} are recorded"
                raise TwinFailure(500, "recording_ended", message)
            index = turn % len(recorded) if self.then == "repeat" else min(turn, len(recorded) - 1)
            return recorded[index].response.response()

        return answer

    def _load(self, context: RouteContext) -> Sequence[RecordedExchange]:
        found: list[RecordedExchange] = []
        if context.is_recording:
            return found
        for pattern in self.recordings:
            files = sorted(context.folder.glob(pattern))
            if not files:
                raise InvalidRouteKey(
                    "recordings", f"no file in {context.folder} matches {pattern!r}"
                )
            for file in files:
                try:
                    found += load_recording(file)
                except AttractorError as cause:
                    raise InvalidRouteKey("recordings", cause.message) from cause
        return found


def _key(request: ServiceRequest) -> str:
    parts = [request.method, request.path, dict(request.query), request.body]
    return canonical_json(cast("Json", parts))


part = Replay
