"""The process of a released app: `python -m ... FOLDER PORT STAGE SANDBOX`.

The supervisor starts it. It serves the app of a release in a sandbox of bubblewrap, forwards one
port of the loopback to it, and is its gateway to the services that it calls: the app writes only
its state, and sees no token and no other file of the operator. If the release was made without a
sandbox, this process becomes the app: it has the rights of the operator, but only the core of the
variables.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.environments.environment import Inherit, inherited
from attractor.environments.errors import PortUnusable
from attractor.environments.sandbox.sockets import Address, forwarded, listen
from attractor.growth.apps.access import access_in
from attractor.growth.apps.process import app_sandbox, running_app
from attractor.growth.apps.services import hook_variables, variables_in
from attractor.growth.deployment.release import BUBBLEWRAP, RECORDED, Release, Releases
from attractor.supervision.process import carried_mark

READY = "listening on "
PORT_TAKEN = 75
"""The exit status if another program listens on the port."""
LISTENER = "LISTENER_OF_APP"
"""The variable with the file descriptor of a socket that listens on the port already."""


def main(folder: Path, port: int, stage: str, sandbox: str) -> None:
    """Serve the app of a release until SIGTERM, or until the app ends.

    The sandbox is the one of the ledger: a file of the release does not decide it.
    """
    release = Releases(folder).open(stage)
    if sandbox == BUBBLEWRAP:
        try:
            asyncio.run(_serve(release, folder, port))
        except PortUnusable as error:
            sys.stdout.write(f"error: {error.message}\n")
            sys.exit(PORT_TAKEN)
        except AttractorError as error:
            raise SystemExit(f"error: {error.message}") from error
        return
    if number := os.environ.get(LISTENER):
        # This app listens itself: it can't take a socket over.
        os.close(int(number))
    services = {**variables_in(os.environ, release.tree), **access_in(os.environ)}
    core = inherited(os.environ, Inherit.CORE)
    trusted = certificates_in(os.environ)
    mark = carried_mark(os.environ)
    variables = {**core, **trusted, **services, **mark, "APP_STATE": str(release.state)}
    # Compiled files beside the code would be run in its place.
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    if release.record_mark.exists():
        variables["APP_RECORDING"] = str(release.recorded)
    os.chdir(release.tree)
    words = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    os.execve(sys.executable, words, variables)


def certificates_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the certificates which requests to services trust."""
    return {name: environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in environ}


async def _serve(release: Release, folder: Path, port: int) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    if number := os.environ.get(LISTENER):
        listener = socket.socket(fileno=int(number))
    else:
        # Another app may share its port as well: then this one would get some of its visitors.
        listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), port).close()
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener = listen(made, port, is_shared=True)
    # Of `runs/growth/releases`: everything that runs and growth wrote.
    sandbox = await app_sandbox(os.environ, hide=[folder.parents[1]], kind=BUBBLEWRAP)
    # The folder of the app is its state.
    variables = access_in(os.environ)
    if release.record_mark.exists():
        variables["APP_RECORDING"] = RECORDED
    # The secret of a hook protects the app alone, which checks the signatures itself.
    hooks = [one for one in hook_variables(release.tree) if one in os.environ]
    variables |= {one: os.environ[one] for one in hooks}
    running = running_app(
        release.tree,
        release.state,
        sandbox=sandbox,
        variables=variables,
        services=lambda _tree, _seed: nullcontext(os.environ),
    )
    async with running as app:
        address = Address.parse(app.url.removeprefix("http://"))
        async with forwarded(listener, address.connect, stopping=stopping):
            sys.stdout.write(f"{READY}http://127.0.0.1:{listener.getsockname()[1]}\n")
            sys.stdout.flush()
            ending = asyncio.create_task(stopping.wait())
            await asyncio.wait([ending, app.ended], return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            # Before the forwarding ends: the app answers its requests.
            await app.stop()
        sys.stdout.write("".join(app.output))
    sys.exit(0 if stopping.is_set() else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
