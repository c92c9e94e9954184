"""Which route answers a request; when none does, which one is nearest and why it does not fit."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from attractor.twins.services.errors import Unanswerable
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.route import Route


def find_route(routes: Sequence[Route], request: ServiceRequest) -> tuple[Route, Mapping[str, str]]:
    """Return the first route that fits, and what the path says; else name the nearest one."""
    for route in routes:
        from_path = route.match(request)
        if from_path is not None and not route.written.when.misses(request):
            return route, from_path
    nearest = min(routes, key=lambda one: _distance(one, request))
    told = f"no route answers {request.method} {request.path}"
    misses = " and ".join(_misses(nearest, request))
    raise Unanswerable(404, "no_route", f"{told}; the nearest is {nearest.name!r}, but {misses}")


def _misses(route: Route, request: ServiceRequest) -> Sequence[str]:
    told: list[str] = []
    if route.written.path.match(request.segments) is None:
        told.append(f"its path is {route.written.path.written}")
    if not route.takes(request.method):
        told.append(f"its method is {route.written.method}")
    return told or route.written.when.misses(request)


def _distance(route: Route, request: ServiceRequest) -> tuple[float, bool, int]:
    fits = route.written.path.match(request.segments) is not None
    alike = SequenceMatcher(None, route.written.path.written, request.path[:200]).ratio()
    misses = len(route.written.when.misses(request))
    return 0 if fits else 1 - alike, not route.takes(request.method), misses
