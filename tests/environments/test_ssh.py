"""The environment on another machine."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.environments.errors import FileMissing, RemoteLost
from attractor.environments.ssh import SshExecutionEnvironment
from tests.environments.places import OPERATOR, run
from tests.environments.remotes import Server


def connect(server: Server, folder: Path) -> SshExecutionEnvironment:
    return SshExecutionEnvironment(
        server.host, str(folder), environ=OPERATOR, options=server.options
    )


def test_refused_connection_is_reported(server: Server, workspace: Path) -> None:
    """Without the key, ssh must not ask for a password."""
    stranger = replace(server, options=(*server.options, "-oPubkeyAuthentication=no"))
    with pytest.raises(RemoteLost, match="Permission denied") as caught:
        asyncio.run(connect(stranger, workspace).initialize())
    assert "ssh 127.0.0.1 true" in caught.value.hint


def test_missing_folder_ends_the_connection(server: Server, workspace: Path) -> None:
    environment = connect(server, workspace / "no such")

    async def fail_and_make() -> None:
        with pytest.raises(FileMissing, match="no such"):
            await environment.initialize()
        (workspace / "no such").mkdir()
        await environment.initialize()
        await environment.cleanup()

    asyncio.run(fail_and_make())


def test_commands_cannot_use_the_keys_of_the_operator(
    server: Server, workspace: Path, tmp_path: Path
) -> None:
    """Settings of the operator may forward an agent, which holds the keys."""
    agent = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        environment = SshExecutionEnvironment(
            server.host,
            str(workspace),
            environ=OPERATOR | {"SSH_AUTH_SOCK": str(agent)},
            options=(*server.options, "-oForwardAgent=yes"),
        )
        (result,) = run(environment, "env")
        holder.terminate()
    assert "SSH_CONNECTION" in result.stdout
    assert "SSH_AUTH_SOCK" not in result.stdout
