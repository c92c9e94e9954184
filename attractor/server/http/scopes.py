"""Dependencies of endpoints: the service, the caller, the scope that a request needs, its query."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path as Folder
from typing import Annotated

from fastapi import Depends, Path, Query
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import HTTPConnection

from attractor.base.errors import UnknownName
from attractor.base.ids import is_run_id
from attractor.factory.operator_process import Scope
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.server.access.callers import Caller
from attractor.server.errors import Forbidden, OtherProjects, Unauthenticated
from attractor.server.http.problems import InvalidRequest
from attractor.server.service import Service


def service_of(connection: HTTPConnection) -> Service:
    """Return the service of the server's own project."""
    return connection.app.state.service


def _service(
    connection: HTTPConnection,
    project_id: Annotated[
        str,
        Query(
            alias="project",
            max_length=200,
            description="The id of the project (default: that of the run, or of the server).",
        ),
    ] = "",
) -> Service:
    own, caller = service_of(connection), caller_of(connection)
    run = str(connection.path_params.get("run", ""))
    # `latest` and the beginning of an id are those of a project.
    is_whole = is_run_id(run.partition(":")[0])
    found = enter_run(own, caller, run) if is_whole else enter(own, caller, project_id)
    connection.state.service = found
    return found


def _service_of_path(
    connection: HTTPConnection,
    project: Annotated[str, Path(max_length=200, description="The id of the project.")],
) -> Service:
    found = enter(service_of(connection), caller_of(connection), project)
    connection.state.service = found
    return found


def enter(service: Service, caller: Caller, project_id: str) -> Service:
    """Return the service of a project that a caller may reach.

    By default, it is the given one, or the first project of the caller.
    """
    if not project_id and not caller.reaches(service.project_id):
        project_id = caller.projects[0]
    if project_id and not caller.reaches(project_id):
        raise OtherProjects(caller.name)
    return service.of_project(project_id)


def enter_run(service: Service, caller: Caller, run: str) -> Service:
    """Return the service of the project of a run, which a caller may reach."""
    found = service.of_run(run)
    if not caller.reaches(found.project_id):
        raise OtherProjects(caller.name)
    return found


def reached_projects(service: Service, caller: Caller) -> Mapping[Folder, ProjectFolder]:
    """Return the projects with runs that a caller may reach, by the folder of their runs."""
    found = list_project_folders(service.project.machine.state_dir)
    return {one.runs_dir: one for one in found if caller.reaches(one.project_id) and one.has_runs}


def caller_of(connection: HTTPConnection) -> Caller:
    """Return the sender of a request, which has to be known."""
    caller: Caller | None = connection.state.caller
    if caller is None:
        raise Unauthenticated()
    return caller


ProjectService = Annotated[Service, Depends(_service)]
"""The service of the project that a request names, as a parameter of an endpoint."""

PathProjectService = Annotated[Service, Depends(_service_of_path)]
"""The service of the project in the path of an endpoint."""

ServerService = Annotated[Service, Depends(service_of)]
"""The service of the server, as a parameter of an endpoint about all projects, or about none."""


async def _turn(connection: HTTPConnection) -> AsyncGenerator[None]:
    # Waiting takes no thread from the requests of others.
    async with service_of(connection).turns:
        yield


IN_TURN = Depends(_turn)
"""The dependency of endpoints that compute for long."""


Calling = Annotated[Caller, Depends(caller_of)]
"""The caller, as a parameter of an endpoint."""


def _require_all_projects(caller: Calling) -> None:
    if caller.projects:
        raise OtherProjects(caller.name)


ALL_PROJECTS = Depends(_require_all_projects)
"""The dependency of endpoints about all projects, beside their scope."""


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

START = Depends(RequiredScope(Scope.START))
READ = Depends(RequiredScope(Scope.READ))
OPERATE = Depends(RequiredScope(Scope.OPERATE))
DECIDE = Depends(RequiredScope(Scope.DECIDE))
"""Each endpoint has one of these four among its `dependencies`."""
