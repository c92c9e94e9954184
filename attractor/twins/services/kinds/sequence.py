"""Answers with one response after another."""

from typing import Annotated, Literal

from pydantic import Field

from attractor.twins.services.errors import TwinFailure
from attractor.twins.services.request import ResponseTable, ServiceResponse
from attractor.twins.services.route import RouteCall, RouteContext, RouteHandler, RouteKind


class Sequence(RouteKind):
    """Answers with the declared responses in order.

    After the last response, the sequence repeats the last response, starts again, or fails.
    """

    answers: Annotated[tuple[ResponseTable, ...], Field(strict=False, min_length=1)]
    then: Literal["stay", "repeat", "fail"]

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that renders the next response."""
        return self._answer

    def _answer(self, call: RouteCall) -> ServiceResponse:
        turn = call.visit - 1
        if turn >= len(self.answers) and self.then == "fail":
            message = f"request {call.visit}, but the sequence has only {len(self.answers)} answers"
            raise TwinFailure(500, "sequence_ended", message)
        at = turn % len(self.answers) if self.then == "repeat" else turn
        return self.answers[min(at, len(self.answers) - 1)].render(call.names())


part = Sequence
