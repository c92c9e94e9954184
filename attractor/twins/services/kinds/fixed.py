"""Answers every request with one response."""

from attractor.twins.services.response import WrittenResponse
from attractor.twins.services.route import Answers, RouteContext, RouteKind


class Fixed(WrittenResponse, RouteKind):
    """The same response each time, but for the values in it."""

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what writes the response."""
        return lambda call: self.written(call.names())


part = Fixed
