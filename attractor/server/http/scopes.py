"""Dependencies of endpoints: the service, the caller, the scope that a request needs, its query."""

from collections.abc import AsyncGenerator, Iterator
from typing import Annotated

from fastapi import Depends, Query
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import HTTPConnection

from attractor.base.errors import UnknownName
from attractor.factory.ledger.tokens import Scope
from attractor.server.access.callers import Caller
from attractor.server.errors import Forbidden, Unauthenticated
from attractor.server.http.problems import InvalidRequest
from attractor.server.service import Service


def _service(connection: HTTPConnection) -> Service:
    return connection.app.state.service


Serving = Annotated[Service, Depends(_service)]
"""The service, as a parameter of an endpoint."""


async def _turn(service: Serving) -> AsyncGenerator[None]:
    # Waiting takes no thread from the requests of others.
    async with service.turns:
        yield


IN_TURN = Depends(_turn)
"""The dependency of endpoints that compute for long."""


def _caller(connection: HTTPConnection) -> Caller:
    caller: Caller | None = connection.state.caller
    if caller is None:
        raise Unauthenticated()
    return caller


Calling = Annotated[Caller, Depends(_caller)]
"""The caller, as a parameter of an endpoint."""


def _require_known_query(connection: HTTPConnection) -> None:
    route: APIRoute | APIWebSocketRoute = connection.scope["route"]
    known = set(_names_in(route.dependant))
    for name in connection.query_params:
        if name not in known:
            unknown = UnknownName("query parameter", name, known)
            raise InvalidRequest(unknown.message, hint=unknown.hint)


def _names_in(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names_in(inner)


KNOWN_QUERY = Depends(_require_known_query)
"""The dependency that refuses unknown names in a query of an operation."""


class RequiredScope:
    """Refuses callers whose scope is too low."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, caller: Calling) -> None:
        """Refuse a caller whose scope is too low."""
        require_scope(caller, self.scope)


def scope_of(route: APIRoute) -> Scope:
    """Return the scope that an operation needs."""
    found = [one.dependency for one in route.dependencies]
    return next(one.scope for one in found if isinstance(one, RequiredScope))


def require_scope(caller: Caller, scope: Scope) -> None:
    """Refuse a caller whose scope is lower than a scope."""
    if not caller.scope.includes(scope):
        raise Forbidden(
            f"{caller.name} has the scope {caller.scope}; this needs {scope}",
            hint=f"create a token: attractor token create NAME --scope {scope}",
        )


def _to_operator(
    caller: Calling,
    operator: Annotated[
        bool, Query(description="Also name the hidden scenarios; needs the scope `decide`.")
    ] = False,
) -> bool:
    if operator:
        require_scope(caller, Scope.DECIDE)
    return operator


ToOperator = Annotated[bool, Depends(_to_operator)]
"""Whether the answer names hidden scenarios, as a parameter of an endpoint."""

READ = Depends(RequiredScope(Scope.READ))
OPERATE = Depends(RequiredScope(Scope.OPERATE))
DECIDE = Depends(RequiredScope(Scope.DECIDE))
"""Each endpoint has one of these three among its `dependencies`."""
