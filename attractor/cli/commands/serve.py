"""Serve the project over HTTP: API, event streams and web pages."""

import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from attractor.base.amounts import number_of
from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.main import describe_failure
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import require_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from attractor.server.access.log import LoggedRequest
    from attractor.server.service import Service


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8420,
    show_default=True,
    help="Listen on this port (0: any free port).",
)
@click.option(
    "--allow-host",
    "names",
    metavar="NAME",
    multiple=True,
    help="Also answer requests to this name, such as the name of a reverse proxy.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 100),
    help="Start this many workers of the fleet at once, which end with the server (default: "
    "fleet.workers, or one when a run waits for it).",
)
@click.option("--fleet", "database", default="", metavar="URL", help="Override fleet.url.")
@click.option("--store", default="", metavar="URL", help="Override fleet.store.")
@json_option
@click.pass_obj
def serve(
    invocation: Invocation,
    host: str,
    port: int,
    names: tuple[str, ...],
    workers: int | None,
    database: str,
    store: str,
    as_json: bool,
) -> ExitCode:
    """Serve the project over HTTP: API, event streams and web pages.

    Print a one-time address that signs a browser in, and log each request to stderr. Runs that
    are started over HTTP are processes of their own, and continue when the server ends. Workers
    end their stages in flight after the first Ctrl-C, and end at once after the second one; they
    survive a server that is killed, and the next one of the project takes them over.
    """
    number = invocation.configuration.settings.fleet.workers if workers is None else workers
    if number or database or store:
        require_extra()
    # Imported here, because only this command needs a web framework.
    from attractor.pipeline.notifications import note_address
    from attractor.server.application import build_application
    from attractor.server.service import Service
    from attractor.server.serving import Server, address_of, is_loopback, listen

    # Not as flags, which all users of the machine see in the list of processes.
    places = {"ATTRACTOR_FLEET__URL": database, "ATTRACTOR_FLEET__STORE": store}
    environ = {**invocation.environ, **{name: one for name, one in places.items() if one}}
    tell = partial(_tell, as_json=as_json)
    service = Service.of(Path.cwd(), environ, flags=invocation.flags, tell=tell)
    with listen(host, port, machine=service.project.machine) as listener:
        if not is_loopback(listener):
            show(_EXPOSED.format(host=host), err=True)
        names = service.access.names_of(host, names)
        address, named = address_of(listener), address_of(listener, names[0])
        code = service.access.codes.create()
        login = f"{named}/login?code={code}"

        def ready() -> None:
            if as_json:
                show_json({"url": address, "login": login}, is_line=True)
            else:
                show(f"Serving {service.project.root} at {named}")
                show(f"Sign in with a browser, once, within 10 minutes: {login}")
                if named != address:
                    show(f"For programs: {address}")

        application = build_application(service, names=names, log=_log(service, as_json=as_json))
        note_address(service.project, named)
        try:
            with _workers(service, number) as interrupt_workers:
                Server(application, ready, interrupt_workers).run([listener])
        except KeyboardInterrupt as interrupt:
            # Ctrl-C is the way to end a server, and no error for a person.
            if as_json:
                show_json(describe_failure(interrupt).record(), is_line=True)
    return ExitCode.INTERRUPTED


@contextmanager
def _workers(service: "Service", number: int | None) -> "Generator[Callable[[], None]]":
    """Have workers during a block, which gets the function that passes signals on to them.

    Without a number, one begins when a run waits for it.
    """
    # Imported here, because only this command needs the server.
    from attractor.server.processes.own_workers import OwnWorkers

    own = OwnWorkers(
        service.project.machine.state_dir,
        service.processes.project,
        service.processes.environ,
        number=1 if number is None else number,
        program=(*service.processes.program, "worker"),
    )
    if number is None:
        service.fleet.begin_worker = own.start
    else:
        own.start()
    service.fleet.has_workers = bool(number)

    before = signal.getsignal(signal.SIGTERM)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        # A server without workers ends at once on this signal, as any program.
        if not own.living and callable(before):
            before(number, frame)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield own.interrupt
    finally:
        if waiting := len(own.living):
            show(_DRAINING.format(workers=number_of(waiting, "worker")), err=True)
        own.end()


_DRAINING = "waiting for the stages in flight of {workers} (Ctrl-C: end them at once)"


_EXPOSED = (
    "warning: other machines can connect to {host}, and HTTP is not encrypted: tokens and sessions "
    "can be read on the network (put a reverse proxy with TLS before the server)"
)


def _tell(sentence: str, *, as_json: bool) -> None:
    """Write a message of the work in the background to stderr, beside the requests."""
    # Imported here, because most commands write no log.
    import json

    time = SystemClock().now().isoformat(timespec="milliseconds")
    line = json.dumps({"time": time, "message": sentence}) if as_json else f"{time} {sentence}"
    show(line, err=True)


def _log(service: "Service", *, as_json: bool) -> "Callable[[LoggedRequest], None]":
    """Return a function that writes requests to stderr, without secrets."""
    # Imported here, because most commands write no log.
    import json

    redactor = service.project.redactor

    def log(request: "LoggedRequest") -> None:
        text = (
            json.dumps(redactor.json(write_fields(request)))
            if as_json
            else redactor.text(f"{request}")
        )
        show(text, err=True)

    return log


part = serve
