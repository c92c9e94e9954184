"""A container for one folder, made by a real Podman."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence

import pytest

from attractor.environments.container import (
    Container,
    ContainerBounds,
    ContainerExecutionEnvironment,
    Daemon,
)
from attractor.environments.environment import Promises
from attractor.environments.errors import ContainerNotStarted, RemoteLost
from tests.environments.containers import EMPTY, IMAGE, SMALL
from tests.environments.places import FAR_MS
from tests.patience import until

pytestmark = pytest.mark.anyio


class WeakContainer(Container):
    """It shares processes and network of this machine, and shows its files."""

    def _options(self, bounded: frozenset[str]) -> Sequence[str]:
        options = list(super()._options(bounded))
        options[options.index("none")] = "host"
        options.remove("--init")  # it needs processes of its own
        shown = tempfile.gettempdir()
        return [*options, "--pid", "host", "--user", "0:0", "--volume", f"{shown}:{shown}"]


@pytest.fixture
def daemon(with_podman: Mapping[str, str]) -> Daemon:
    return Daemon("podman", environ=with_podman)


@pytest.fixture
async def pair(daemon: Daemon) -> AsyncGenerator[list[ContainerExecutionEnvironment]]:
    bounds = ContainerBounds(max_processes=100, max_memory_mb=64, max_cpus=1)
    made = [
        ContainerExecutionEnvironment(
            Container(daemon, IMAGE, run_id=f"run-{number}", bounds=bounds), is_attacked=False
        )
        for number in range(2)
    ]
    await asyncio.gather(*(one.initialize() for one in made))
    yield made
    await asyncio.gather(*(one.cleanup() for one in made))


def names(environ: Mapping[str, str], label: str = "attractor.machine") -> list[str]:
    words = ["podman", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}"]
    return subprocess.run(
        words, env=environ, check=True, capture_output=True, text=True
    ).stdout.split()


async def test_two_containers_see_neither_each_other_nor_a_network(
    pair: list[ContainerExecutionEnvironment], with_podman: Mapping[str, str]
) -> None:
    one, other = pair
    await one.write_file("x", "text")
    await one.start_service("exec sleep 98765")
    seen = await other.exec_command("cat /proc/[0-9]*/cmdline; ls; id -u", timeout_ms=FAR_MS)
    assert "98765" not in seen.stdout
    assert seen.stdout.endswith("10001\n")
    assert not await other.file_exists("x")
    inside = await one.exec_command(
        "ls /sys/class/net; grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status; "
        "grep -c . /proc/mounts; ls /run /var/run; cat ~/x 2>&1",
        timeout_ms=FAR_MS,
    )
    assert inside.stdout.startswith("lo\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n")
    assert "sock" not in inside.stdout
    assert len(names(with_podman, "attractor.run=run-1")) == 1
    await asyncio.gather(*(container.cleanup() for container in pair))
    assert names(with_podman) == []


async def test_background_processes_end_with_their_command_in_busybox(daemon: Daemon) -> None:
    container = ContainerExecutionEnvironment(Container(daemon, SMALL), is_attacked=False)
    await container.initialize()
    await container.exec_command("sleep 1000 & echo begun", timeout_ms=FAR_MS)
    left = await container.exec_command("ps | grep -c '[s]leep 1000'", timeout_ms=FAR_MS)
    assert left.stdout == "0\n"
    await container.cleanup()


async def test_bounds_of_a_container_are_those_of_its_daemon(
    pair: list[ContainerExecutionEnvironment], daemon: Daemon
) -> None:
    if not await daemon.bounded() >= {"memory", "pids"}:
        pytest.skip(await daemon.unbounded())
    hog = "python3 -c 'x = bytearray(200 << 20)'; echo $?"
    bomb = "for one in $(seq 200); do sleep 5 & done 2>&1 | grep -m1 -o 'fork: .*'"
    for container, command, words in ((pair[0], hog, "137"), (pair[1], bomb, "fork: ")):
        result = await container.exec_command(command, timeout_ms=FAR_MS)
        assert words in result.stdout
    assert await daemon.unbounded() == ""


async def test_attacks_prove_the_promises_once_for_an_image(daemon: Daemon) -> None:
    promises = await daemon.promises(IMAGE)
    assert promises.guards_holdouts
    assert promises.writes_only_workspace
    assert promises.own_loopback
    assert not promises.bounds_resources
    container = ContainerExecutionEnvironment(Container(daemon, IMAGE))
    await container.initialize()
    assert container.promises() is promises
    await container.cleanup()


async def test_weak_container_and_missing_python_promise_nothing(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await daemon.promises(SMALL) == Promises()
    monkeypatch.setattr("attractor.environments.container.Container", WeakContainer)
    weak = await daemon.promises(IMAGE)
    assert not weak.hides_operator
    assert not weak.own_network
    assert not weak.own_processes
    assert not weak.writes_only_workspace


async def test_container_killed_by_hand_is_lost(
    pair: list[ContainerExecutionEnvironment], with_podman: Mapping[str, str]
) -> None:
    container, other = pair
    [name] = names(with_podman, "attractor.run=run-0")
    running = asyncio.create_task(
        container.exec_command("touch begun; sleep 1000", timeout_ms=FAR_MS)
    )
    while not await container.file_exists("begun"):
        await asyncio.sleep(0.05)
    subprocess.run(["podman", "kill", name], env=with_podman, check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(RemoteLost, match="connection was lost"):
        await running
    with pytest.raises(RemoteLost, match="no container|no such container|running containers"):
        await container.read_file("begun")
    await container.cleanup()
    assert (await other.exec_command("echo lives", timeout_ms=FAR_MS)).stdout == "lives\n"


RUNNER = """
import asyncio, json, sys
from attractor.environments.container import Container, ContainerExecutionEnvironment, Daemon

async def work():
    image, environ = json.loads(sys.argv[1])
    daemon = Daemon("podman", environ=environ)
    env = ContainerExecutionEnvironment(Container(daemon, image), is_attacked=False)
    await env.initialize()
    print("ready", flush=True)
    await env.exec_command("sleep 1000", timeout_ms=600_000)

asyncio.run(work())
"""


async def test_container_ends_with_a_killed_runner(with_podman: Mapping[str, str]) -> None:
    given = json.dumps([SMALL, dict(with_podman)])
    argv = [sys.executable, "-c", RUNNER, given]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as runner:
        assert runner.stdout
        assert await asyncio.to_thread(runner.stdout.readline) == b"ready\n"
        assert len(names(with_podman)) == 1
        runner.send_signal(signal.SIGKILL)
    await until(lambda: names(with_podman) == [])


async def test_leftover_of_a_dead_process_is_removed(
    pair: list[ContainerExecutionEnvironment], daemon: Daemon, with_podman: Mapping[str, str]
) -> None:
    living = names(with_podman)
    words = ("inspect", living[0], "--format", "{{json .Config.Labels}}")
    labels = json.loads((await daemon.ask(*words)).stdout)
    ours = f"attractor.machine={labels['attractor.machine']}"
    leftover = (f"attractor-{os.getpid()}-1-aa", ours)
    for name, label in (leftover, ("attractor-1-1-bb", "other=1")):
        words = ("create", "--name", name, "--label", label, "--network", "none", SMALL, "sh")
        assert not (await daemon.ask(*words)).exit_code
    await daemon.remove_leftovers()
    assert sorted(names(with_podman)) == sorted(living)
    assert names(with_podman, "other=1") == ["attractor-1-1-bb"]
    await daemon.ask("rm", "--force", "attractor-1-1-bb")


@pytest.mark.parametrize(
    ("image", "words"),
    [("localhost/missing:1", "no image localhost/missing:1"), (EMPTY, "empty:1 has no shell")],
)
async def test_unusable_image_is_reported(
    image: str, words: str, daemon: Daemon, with_podman: Mapping[str, str]
) -> None:
    with pytest.raises(ContainerNotStarted, match=words) as caught:
        await ContainerExecutionEnvironment(Container(daemon, image)).initialize()
    assert caught.value.hint
    assert names(with_podman) == []


async def test_client_without_a_daemon_is_reported(with_podman: Mapping[str, str]) -> None:
    environ = dict(with_podman) | {"CONTAINER_HOST": "unix:///no/such.sock"}
    daemon = Daemon("podman-remote", environ=environ)
    program = with_podman["HOME"] + "/podman-remote"
    with open(program, "w") as file:  # noqa: PTH123
        file.write('#!/bin/sh\nexec podman --remote "$@"\n')
    os.chmod(program, 0o755)  # noqa: PTH101
    with pytest.raises(ContainerNotStarted, match="podman-remote does not answer") as caught:
        await ContainerExecutionEnvironment(Container(daemon, IMAGE)).initialize()
    assert "start the daemon" in caught.value.hint
