"""Ports for the servers of a workspace: the same ones for the whole life of a dimension or run."""

import hashlib
import os
import socket
from collections.abc import Mapping, Set
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.files import is_running, make_private_folder
from attractor.base.locks import FileLock
from attractor.base.records import write_record
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.storage.json_files import Fields, read_document, write_document
from attractor.environments.sandbox.sockets import LOOPBACK
from attractor.pipeline.project.project import Project

PORTS = range(20000, 32000)
"""Ports that neither the kernel gives to clients nor well-known servers use."""

_FILE = "ports.json"
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class _OwnedPorts:
    """The ports of an owner by name, and the last process that asked for them."""

    pid: int
    ports: Mapping[str, int]

    def is_used(self, owner: str) -> bool:
        """Return whether the owner is there: a folder, or a run that begins or may go on."""
        run = RunDirectory(Path(owner))
        if not run.root.exists():
            return is_running(self.pid)
        # A project may have a file with the name of the final record.
        has_ended = run.lock.exists() and run.final.exists()
        return not has_ended or is_held(run.lock)


def ports_of(owner: Path, project: Project) -> Mapping[str, str]:
    """Return the variables with the ports of the folder of a dimension, or of a run directory.

    New ports are free now, and belong to no other owner in the state folder that is still there.
    """
    if not project.ports:
        return {}
    state, key = project.machine.state_dir, str(owner.resolve())
    make_private_folder(state)
    with FileLock(state / "ports.lock").acquire(wait=_PATIENCE_S, purpose="ports"):
        file = state / _FILE
        known = read_document(file) if file.exists() else Fields({}, str(file))
        entries = {name: known.inner(name).record(_OwnedPorts) for name in known.all()}
        used = {name: one for name, one in entries.items() if name == key or one.is_used(name)}
        taken = {port for one in used.values() for port in one.ports.values()}
        own = {**used[key].ports} if key in used else dict[str, int]()
        for name in project.ports:
            if name not in own:
                own[name] = _free_port(f"{key} {name}", taken)
                taken.add(own[name])
        used[key] = _OwnedPorts(os.getpid(), own)
        write_document(file, {name: write_record(one) for name, one in used.items()})
    return {name: str(own[name]) for name in project.ports}


def _free_port(wanted_by: str, taken: Set[int]) -> int:
    """Return a free port: the first one depends on the owner only, so that a port comes again."""
    first = int.from_bytes(hashlib.sha256(os.fsencode(wanted_by)).digest()[:8])
    for step in range(len(PORTS)):
        port = PORTS[(first + step) % len(PORTS)]
        if port not in taken and _is_free(port):
            return port
    raise Refused(
        f"no port from {PORTS.start} to {PORTS.stop - 1} is free",
        hint="remove dimensions and runs that you do not need",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
