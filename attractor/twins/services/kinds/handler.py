"""Answers by a function in the service's `handler.py`."""

from datetime import timedelta

from attractor.twins.script.answer import Duration
from attractor.twins.services.functions import load_function, run_limited
from attractor.twins.services.response import Response
from attractor.twins.services.route import Answers, Call, RouteContext, RouteKind


class Handler(RouteKind):
    """What `function(request, state, draw)` returns: a value of JSON, or a `Response`."""

    function: str
    time_limit: Duration = timedelta(seconds=2)

    def open(self, surroundings: RouteContext) -> Answers:
        """Return what calls the function."""
        function = load_function(surroundings.folder, self.function)

        def answer(call: Call) -> Response:
            return run_limited(function, call, self.time_limit)

        return answer


part = Handler
