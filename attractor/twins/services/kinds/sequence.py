"""Answers one request after the other with responses in order."""

from typing import Annotated, Literal

from pydantic import Field

from attractor.twins.services.errors import Unanswerable
from attractor.twins.services.response import Response, WrittenResponse
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind


class Sequence(RouteKind):
    """Responses in order; behind the last one it stays there, begins anew, or fails."""

    answers: Annotated[tuple[WrittenResponse, ...], Field(strict=False, min_length=1)]
    then: Literal["stay", "repeat", "fail"]

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what writes the response whose turn it is."""
        return self._answer

    def _answer(self, call: Call) -> Response:
        turn = call.visit - 1
        if turn >= len(self.answers) and self.then == "fail":
            told = f"the sequence has {len(self.answers)} answers; this is request {call.visit}"
            raise Unanswerable(500, "sequence_ended", told)
        at = turn % len(self.answers) if self.then == "repeat" else turn
        return self.answers[min(at, len(self.answers) - 1)].written(call.names())


part = Sequence
