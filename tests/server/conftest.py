"""A project, and a server of it on a real socket."""

import os
import re
import secrets
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from starlette.routing import BaseRoute

from attractor.base.clock import SystemClock
from attractor.factory.operator_process import Scope
from attractor.server.access.callers import COOKIE
from attractor.server.access.limits import LIMITS, Limits
from attractor.server.access.log import LoggedRequest
from attractor.server.application import build_application
from attractor.server.service import Service
from attractor.server.serving import Server, address_of, listen
from tests.factory.decisions.test_decide import make_mixed
from tests.patience import PATIENCE_S
from tests.pipeline.projects import make_project
from tests.prepared import quick_programs

PAGE = {"accept": "text/html"}
"""The headers of a browser that asks for a page."""

SETTINGS = '[backends]\ndefault = "simulate"\n'


@dataclass(frozen=True)
class RunningServer:
    """A server on a socket of this machine."""

    url: str
    service: Service
    log: list[LoggedRequest] = field(default_factory=list[LoggedRequest])
    """The requests so far, complete as soon as the server ended."""

    def token(self, scope: Scope | str = Scope.DECIDE) -> str:
        """Return a new token with a scope."""
        secret = secrets.token_urlsafe(32)
        name = f"ann-{scope}-{secret[:4]}"
        now = SystemClock().now()
        self.service.access.tokens.create(name, str(scope), secret, by="ann", now=now)
        return secret

    def client(self, scope: Scope | str = Scope.OPERATE) -> httpx.Client:
        """Return a client with a token of a scope."""
        headers = {"authorization": f"Bearer {self.token(scope)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    def browser(self) -> httpx.Client:
        """Return a client that asks for pages, with the session of a one-time address."""
        client = httpx.Client(base_url=self.url, headers=PAGE, timeout=PATIENCE_S)
        client.get("/login", params={"code": self.service.access.codes.create()})
        assert COOKIE in client.cookies
        return client


def csrf_in(page: str) -> str:
    """Return the value that the forms of a page send."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


@contextmanager
def serving(
    service: Service,
    *,
    limits: Limits = LIMITS,
    names: Sequence[str] = (),
    routes: Sequence[BaseRoute] = (),
) -> Generator[RunningServer]:
    """Serve until the block ends, with further routes."""
    ready = threading.Event()
    log: list[LoggedRequest] = []
    with listen("127.0.0.1", 0) as listener:
        application = build_application(service, limits=limits, names=names, log=log.append)
        application.router.routes.extend(routes)
        server = Server(application, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(PATIENCE_S)
            yield RunningServer(address_of(listener), service, log)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git project with a pipeline and simulated stages, beside its state folder."""
    return make_project(tmp_path / "project", **{"attractor.toml": SETTINGS})


@pytest.fixture
def service(project: Path) -> Service:
    """The service of the project."""
    return service_of(project)


def service_of(project: Path, **more: str) -> Service:
    """Return the service of a project, with the state folder beside it, and more variables."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(project.parent), **more}
    state = project.parent / "state"
    variables["ATTRACTOR_STATE_DIR"] = str(state)
    return quick(Service.of(project, variables))


def quick(service: Service) -> Service:
    """Return a service whose runs execute in processes that have the program loaded."""
    program = (str(quick_programs() / "attractor"),)
    return replace(service, processes=replace(service.processes, program=program))


@pytest.fixture
def server(service: Service) -> Iterator[RunningServer]:
    """A running server of the project."""
    with serving(service) as running:
        yield running


Judged = tuple[RunningServer, str]


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Judged]:
    """A server of a project with a judged run: the holdout `made` failed, `good` passed."""
    flow = make_mixed(tmp_path)
    run_id = flow.launch().run_id
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server:
        yield server, run_id
