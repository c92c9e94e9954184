"""Serve twins of services declared in TOML."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show_result
from attractor.cli.twins import (
    RequestLog,
    ShutdownReason,
    logs_requests,
    serve_until_signal,
    service_line_format,
    service_twin_text,
    twin_options,
    twin_record,
)
from attractor.twins.services.recordings import ExchangeFile
from attractor.twins.services.service import Service, load_services
from attractor.twins.services.service_twin import ServiceTwin


@click.command()
@click.argument(
    "services",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE_OR_DIR...",
)
@click.option("--seed", type=int, help="Override the seed of the service file.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    help="Forward requests and append each exchange to this file (.jsonl).",
)
@click.option(
    "--to", metavar="URL", help="Forward to the real service at this URL. Requires --record."
)
@twin_options
@json_option
def twin_serve(
    services: tuple[Path, ...],
    seed: int | None,
    record: Path | None,
    to: str | None,
    keep: int,
    port: int,
    control_port: int,
    is_verbose: bool | None,
    as_json: bool,
) -> ExitCode:
    """Serve twins of services declared in TOML.

    Each FILE_OR_DIR is a service file, a folder with a twin.toml, a folder of such folders, or the
    name of a shipped service: calendar, drive, github, gitlab, mail, slack or web. A service file
    has a name, and for each route a table [[routes]] with method, path and kind, such as kind =
    "fixed" with json = { is_open = true }. The twins answer over real HTTP on this machine until
    Ctrl-C. Set the printed variables to point clients at them. The control API lists requests and
    sets the clock; it needs the printed token.

    With --record, requests are forwarded to the real service with the API key of the client, and
    the exchanges are saved without this API key, for 'attractor twin check'.
    """
    loaded = load_services([*map(_found, services)], is_recording=record is not None)
    _refuse_what_several_cannot_share(loaded, record, port or control_port)
    if to and not record:
        raise UsageError("--to requires --record", hint="add --record or remove --to")
    if record and not to:
        raise UsageError("--record requires --to", hint="add --to URL")
    if record and seed is not None:
        hint = "remove --seed: the real service answers"
        raise UsageError("--record cannot be combined with --seed", hint=hint)
    ending, shows_lines = ShutdownReason(), logs_requests(is_verbose, as_json=as_json)
    twins: list[ServiceTwin] = []
    for one in loaded:
        teller = RequestLog(service_line_format(one.name)) if shows_lines else None
        twin = ServiceTwin(
            one,
            port=port,
            control_port=control_port,
            seed=seed,
            on_request=teller,
            keep=keep,
            record=ExchangeFile(record) if record else None,
            to=to or "",
            on_error=ending.because_of,
        )
        if teller:
            teller.twin = twin
        twins.append(twin)
    serve_until_signal(twins, ending, partial(_tell, twins, record, as_json=as_json))
    return ExitCode.INTERRUPTED


def _found(path: Path) -> Path:
    """Return a path that exists, or the folder of the shipped twin with this name."""
    if path.exists():
        return path
    # Imported here, because most twins are files of the project.
    from attractor.growth.apps.services import shipped_twins

    shipped = shipped_twins() / path
    if len(path.parts) == 1 and shipped.is_dir():
        return shipped
    raise click.BadParameter(f"Path {str(path)!r} does not exist.")


def _refuse_what_several_cannot_share(
    services: Sequence[Service], record: Path | None, port: int
) -> None:
    if len(services) < 2:
        return
    if port:
        message = f"one port cannot serve {len(services)} services"
        raise UsageError(message, hint="remove --port and --control-port, or serve one service")
    if record:
        message = f"one file cannot record {len(services)} services"
        raise UsageError(message, hint="record one service at a time")


def _tell(twins: Sequence[ServiceTwin], record: Path | None, *, as_json: bool) -> None:
    words = "\n".join(service_twin_text(twin) for twin in twins)
    show_result({"twins": [_record(twin, record) for twin in twins]}, words, as_json=as_json)


def _record(twin: ServiceTwin, record: Path | None) -> dict[str, object]:
    message = {"path": str(record), "service": twin.to} if record else None
    return {"name": twin.service.name, **twin_record(twin), "record": message}


part = twin_serve
