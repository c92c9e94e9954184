"""Builds the application from the resources and pages."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from attractor import __version__
from attractor.base.registry import Registry
from attractor.server.access.limits import LIMITS, Limits
from attractor.server.access.log import Log
from attractor.server.html.rendering import PageRouter, answer_error, navigation_of
from attractor.server.http.compression import Compression
from attractor.server.http.document import complete_document
from attractor.server.http.guard import Guard
from attractor.server.http.idempotency import AnswerStore, Idempotency
from attractor.server.http.methods import Methods
from attractor.server.http.problems import answer_problems, problem_statuses
from attractor.server.http.scopes import KNOWN_QUERY
from attractor.server.service import Service

RESOURCES = Registry("attractor.server.resources", APIRouter, noun="resource")
PAGES = Registry("attractor.server.pages", PageRouter, noun="page")

OPENAPI = "/api/v1/openapi.json"
ALWAYS = (401, 403, 408, 413, 422, 429, 503)
"""Problems that every operation may answer."""


def build_application(
    service: Service,
    *,
    limits: Limits = LIMITS,
    names: Sequence[str] = (),
    log: Log | None = None,
) -> FastAPI:
    """Return the application of a service.

    `names`: names of the server besides its address, the one for browsers first. `log`: gets each
    request.
    """

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncGenerator[None]:
        async with service.running():
            yield

    application = FastAPI(
        title="Attractor",
        version=__version__,
        summary="Runs pipelines, and judges, decides and promotes their results.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    application.state.service = service
    application.state.names = tuple(names)
    application.state.navigation = navigation_of(PAGES.values())
    answer_problems(application, answer_error)
    store = AnswerStore(
        service.project.machine.state_dir / "server" / "requests.sqlite3",
        service.project.machine.clock,
    )
    complete_document(application, (one for part in RESOURCES.values() for one in part.routes))
    # Each is inside the one that is added after it.
    application.add_middleware(Idempotency, store=store, project=service.project.root)
    application.add_middleware(Compression)
    own = (route for part in _parts() for route in part.routes)
    application.add_middleware(Methods, routes=[*application.routes, *own])
    application.add_middleware(
        Guard,
        access=service.access,
        clock=service.project.machine.clock,
        limits=limits,
        names=frozenset(names),
        log=log,
        respond=answer_error,
    )
    application.router.routes.extend(_routes())
    return application


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return all routes; FastAPI prepares them at the first request, once for all applications."""
    router = APIRouter(responses=problem_statuses(*ALWAYS))
    for part in RESOURCES.values():
        router.include_router(part, dependencies=[KNOWN_QUERY])
    for part in PAGES.values():
        router.include_router(part)
    return router.routes


def _parts() -> Iterator[APIRouter]:
    yield from RESOURCES.values()
    yield from PAGES.values()
