"""Answers as the real service once did, by recordings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

from pydantic import Field

from attractor.base.errors import AttractorError
from attractor.base.json import Json, canonical_json
from attractor.twins.services.errors import Misfit, Unanswerable
from attractor.twins.services.recordings import Exchange, load_recording
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.response import Response
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind

_Answered = Mapping[str, Sequence[Exchange]]


class Replay(RouteKind):
    """The recorded answer to the same method, path, query and body; several come in order."""

    recordings: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    then: Literal["stay", "repeat", "fail"]

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what looks a request up in the recordings."""
        answered: dict[str, list[Exchange]] = defaultdict(list)
        for exchange in self._load(surroundings):
            answered[_key(exchange.request.request())].append(exchange)
        return lambda call: self._answer(call, answered)

    def _load(self, surroundings: RouteContext) -> Sequence[Exchange]:
        found: list[Exchange] = []
        if surroundings.is_recording:
            return found
        for pattern in self.recordings:
            files = sorted(surroundings.folder.glob(pattern))
            if not files:
                raise Misfit("recordings", f"no file in {surroundings.folder} is like {pattern!r}")
            for file in files:
                try:
                    found += load_recording(file)
                except AttractorError as cause:
                    raise Misfit("recordings", cause.message) from cause
        return found

    def _answer(self, call: Call, answered: _Answered) -> Response:
        key = _key(call.request)
        if key not in answered:
            told = f"no recording has {call.request.method} {call.request.target} with this body"
            raise Unanswerable(404, "not_recorded", told)
        turn = call.state.counter(f"replay {key}") - 1
        known = answered[key]
        if turn >= len(known) and self.then == "fail":
            told = f"the recordings have {len(known)} answers to this; it came {turn + 1} times"
            raise Unanswerable(500, "recording_ended", told)
        at = turn % len(known) if self.then == "repeat" else min(turn, len(known) - 1)
        return known[at].response.response()


def _key(request: ServiceRequest) -> str:
    asked = [request.method, request.path, dict(request.query), request.body]
    return canonical_json(cast("Json", asked))


part = Replay
