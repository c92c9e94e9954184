"""Show what needs a person, actors and runs in the terminal, and act on them."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode, ProcessNotStarted, Refused, UsageError
from attractor.base.files import is_running
from attractor.base.json import parse_object
from attractor.cli.invocation import THIS_PROGRAM, Invocation
from attractor.cli.runs.orders import operator_name, token_store
from attractor.cli.runs.setup import opened_of

if TYPE_CHECKING:
    from attractor.factory.ledger.tokens import TokenStore
    from attractor.tui.client import ApiClient, Worlds

PREFIX = "tui"
PATIENCE_S = 10.0


@click.command()
@click.pass_obj
def tui(invocation: Invocation) -> ExitCode:
    """Show what needs a person, actors and runs in the terminal, and act on them.

    All keys are shown at the bottom; Ctrl-P opens all commands, and q ends. It asks the running
    server of the project, or starts one until it ends; keys act as soon as it answers. It acts with
    a token of its own, with the scope 'decide', which is revoked at the end. If it is begun while a
    stage executes without a sandbox, it acts as a browser does, without decisions.
    """
    # The screen is drawn on stderr.
    if not (invocation.has_terminal and sys.stderr.isatty()):
        hint = "in a script: attractor attention --json, attractor actor list --json"
        raise UsageError("the terminal interface needs a terminal", hint=hint)
    # Imported here, because only this command needs a screen.
    from attractor.tui.app import AttractorTui

    opened_of(invocation).refuse_in_run("'attractor tui'")
    with ExitStack() as stack:
        notice = ""
        try:
            headers = stack.enter_context(_token(invocation))
        except Refused as unguarded:
            headers = stack.enter_context(_session(invocation))
            notice = f"Decisions wait: {unguarded.message}. Open this again when it has ended."
        connect = partial(_connect, invocation, headers, stack)
        app = AttractorTui(partial(_read_first, invocation), connect, notice)
        if fault := app.run():
            raise fault
    return ExitCode(app.return_code or 0)


def _read_first(invocation: Invocation) -> "Worlds":
    """Read the rows from the state folder, as a server answers them."""
    # Imported here, because only this command shows them on a screen.
    from attractor.attention.reading import read_attention
    from attractor.tui.client import Worlds
    from attractor.worlds.actors import list_actors
    from attractor.worlds.records import actor_record
    from attractor.worlds.status import read_actors

    state = invocation.configuration.settings.state_dir
    views = read_actors(list_actors(state))
    found = read_attention(state, SystemClock().now(), invocation.environ, views=views)
    actors = [actor_record(one) for one in views if not one.history.archived]
    return Worlds.from_records([row.to_record() for row in found.rows], actors)


@contextmanager
def _token(invocation: Invocation) -> Generator[Mapping[str, str]]:
    """Yield the header of a new token; revoke it at the end, and those of killed processes."""
    store, now, by = token_store(invocation), SystemClock().now(), _person(invocation)
    for name in _left_tokens(store):
        store.revoke(name, by=by, now=now)
    secret = secrets.token_urlsafe(32)
    name = f"{PREFIX}-{os.getpid()}-{secrets.token_hex(4)}"
    store.create(name, "decide", secret, by=by, now=now)
    try:
        yield {"authorization": f"Bearer {secret}"}
    finally:
        store.revoke(name, by=by, now=SystemClock().now())


@contextmanager
def _session(invocation: Invocation) -> Generator[Mapping[str, str]]:
    """Yield the headers of a session, as browsers have them, until the block ends."""
    # Imported here, because only this command begins one itself.
    from attractor.factory.operator_process import Scope
    from attractor.server.access.callers import COOKIE, csrf_of
    from attractor.server.access.sessions import Sessions
    from attractor.server.http.guard import CSRF_HEADER

    sessions = Sessions(invocation.configuration.settings.state_dir, SystemClock())
    secret = sessions.begin(_person(invocation), Scope.OPERATE)
    try:
        yield {"cookie": f"{COOKIE}={secret}", CSRF_HEADER: csrf_of(secret)}
    finally:
        sessions.end(secret)


def _person(invocation: Invocation) -> str:
    return f"{operator_name(invocation)} (terminal)"


def _left_tokens(store: "TokenStore") -> list[str]:
    """Return the names of tokens whose process has ended."""
    left = list[str]()
    for token in store.list():
        match token.name.split("-"):
            case [prefix, number, _] if prefix == PREFIX and number.isdecimal():
                left += [] if is_running(int(number)) else [token.name]
            case _:
                pass
    return left


async def _connect(
    invocation: Invocation, headers: Mapping[str, str], stack: ExitStack
) -> "ApiClient":
    """Return a client of a running server, or of one that is started until the stack is closed."""
    # Imported here, because only this command asks for servers.
    from attractor.pipeline.notifications import noted_addresses
    from attractor.tui.client import ApiClient

    for url in noted_addresses(opened_of(invocation).project):
        client = ApiClient(url, headers)
        if await client.answers():
            return client
        await client.close()
    process, log = stack.enter_context(_server(invocation))
    assert process.stdout
    try:
        answer = await asyncio.to_thread(process.stdout.readline)
    except asyncio.CancelledError:
        # The thread that reads its output ends with it.
        process.terminate()
        raise
    match parse_object(answer):
        case {"url": str(url)}:
            return ApiClient(url, headers)
        case _:
            process.wait(PATIENCE_S)
            log.seek(0)
            words = log.read().decode("utf-8", "replace").strip()
            raise ProcessNotStarted(f"the server did not start: {words}")


@contextmanager
def _server(invocation: Invocation) -> Generator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Yield the process of a server, which prints its address, and its log; end it."""
    flags = [f"--config={flag}" for flag in invocation.flags]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*THIS_PROGRAM, *flags, "serve", "--port", "0", "--json"],
            env=dict(invocation.environ),
            cwd=invocation.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


part = tui
