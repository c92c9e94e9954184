"""Answers every request with the same response."""

from attractor.twins.services.request import ResponseTable
from attractor.twins.services.route import RouteContext, RouteHandler, RouteKind


class Fixed(ResponseTable, RouteKind):
    """Answers every request with the same response, except for expressions in the response."""

    def prepare(self, context: RouteContext) -> RouteHandler:
        """Return the handler that renders the response."""
        return lambda call: self.render(call.names())


part = Fixed
