"""Answers every request with one response."""

from attractor.twins.services.responses import WrittenResponse
from attractor.twins.services.route import Answers, RouteKind, Surroundings


class Fixed(WrittenResponse, RouteKind):
    """The same response each time, but for the values in it."""

    def open(self, surroundings: Surroundings) -> Answers:
        """Return what writes the response."""
        return lambda call: self.written(call.names())


part = Fixed
