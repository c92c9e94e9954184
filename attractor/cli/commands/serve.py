"""Serve the project over HTTP: API, event streams and web pages."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8420, show_default=True, help="0: any port."
)
@json_option
@click.pass_obj
def serve(invocation: Invocation, host: str, port: int, as_json: bool) -> ExitCode:
    """Serve the project over HTTP: API, event streams and web pages.

    Runs that are started over HTTP are processes of their own, and go on when the server ends.
    """
    # Imported here, because only this command needs a web framework.
    from attractor.server.application import build_application
    from attractor.server.service import Service
    from attractor.server.serving import Server, address_of, listen

    service = Service.of(Path.cwd(), invocation.environ)
    with listen(host, port) as listener:
        address = address_of(listener)

        def ready() -> None:
            if as_json:
                show_json({"url": address}, is_line=True)
            else:
                show(f"Serving {service.host.project} at {address}")

        Server(build_application(service), ready).run([listener])
    return ExitCode.INTERRUPTED


part = serve
