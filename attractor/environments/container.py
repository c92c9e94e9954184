"""Makes one container for one folder, with Docker or Podman, and removes it.

Nothing of this machine is mounted, and the container has no network. Its first process is a shell
that ends when its stdin ends, so a container ends with this process even if that is killed.
"""

import asyncio
import io
import json
import os
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from attractor import __environ__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ProcessNotStarted
from attractor.base.processes import ExecResult, OutputLimit, run_process
from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.environment import Promises
from attractor.environments.errors import ContainerNotStarted, RemoteLost
from attractor.environments.isolation_check import SYSTEM_PLACES, check_isolation
from attractor.environments.orphan_processes import find_process
from attractor.environments.remote import WORKSPACE, await_connection, kill_process, start_program

_RUN, _MACHINE = "attractor.run", "attractor.machine"
_USER, _HOME = 10001, "/home/agent"
_VARIABLES = {"HOME": _HOME, "USER": "agent", "LOGNAME": "agent"}
_STAY = ("--entrypoint", "sh")
_STAYS = ("-c", "echo; exec cat")
# The words of Docker, Podman and the two programs that `--init` starts, in small letters.
_NO_IMAGE = ("no such image", "image not known", "unable to find image")
_NO_SHELL = ("failed to exec pid1", "exec sh failed", '"sh"', "`sh`")
# A daemon may be busy with the files of a large image.
_PATIENCE = timedelta(minutes=5)
_END_S = 10.0
_PACKAGES = "podman crun catatonit uidmap slirp4netns fuse-overlayfs, for podman"
_SUBIDS = "--add-subuids 100000-165535 --add-subgids 100000-165535"
_MB = 1024 * 1024


@dataclass(frozen=True)
class ContainerBounds:
    """The resources of one container; those that its daemon cannot bound are unlimited."""

    max_processes: int = 4096
    max_memory_mb: int = 8192
    max_cpus: float = 2.0


class Daemon:
    """Docker or Podman, which is asked once; the containers of a process share it."""

    def __init__(self, program: str = "docker", *, environ: Mapping[str, str] | None = None):
        self.program = program
        self.environ = dict(__environ__() if environ is None else environ)
        self._bounded: frozenset[str] | None = None
        self._promises: dict[str, Promises] = {}

    async def ask(self, *words: str, stdin: bytes = b"") -> ExecResult:
        """Run a command of the program to its end."""
        return await run_process(
            [self.program, *words], cwd="/", env=self.environ, timeout=_PATIENCE, stdin=stdin
        )

    async def bounded(self) -> frozenset[str]:
        """Return the resources that the daemon can bound: `memory`, `pids` and `cpu`."""
        if self._bounded is None:
            try:
                said = await self.ask("info", "--format", "{{json .}}")
            except ProcessNotStarted as cause:
                raise ContainerNotStarted(
                    f"{self.program} does not answer: {cause.message}",
                    hint=f"install {self.program} (Debian: apt-get install {_PACKAGES})",
                ) from cause
            if said.exit_code:
                raise ContainerNotStarted(
                    f"{self.program} does not answer: {_line(said.stderr)}",
                    hint=f"start the daemon of {self.program}, or use another program; "
                    f"`{self.program} info` shows whether it runs",
                )
            info = json.loads(said.stdout)
            if not _maps_user(info):
                raise ContainerNotStarted(
                    f"{self.program} maps no user {_USER} of a container to one outside",
                    hint=f"as root: usermod {_SUBIDS} USER; then `{self.program} system migrate`",
                )
            self._bounded = _bounded(info)
        return self._bounded

    async def require_image(self, image: str) -> None:
        """Raise ContainerNotStarted if an image is missing."""
        if (await self.ask("image", "inspect", image)).exit_code:
            raise self.missing_image(image)

    def missing_image(self, image: str) -> ContainerNotStarted:
        """Return the error about a missing image."""
        return ContainerNotStarted(
            f"{self.program} has no image {image}",
            hint=f"type `{self.program} pull {image}`, or build it",
        )

    async def unbounded(self) -> str:
        """Return a sentence about the resources that the daemon cannot bound, or nothing."""
        lacks = sorted({"memory", "pids", "cpu"} - await self.bounded())
        if not lacks:
            return ""
        return (
            f"{self.program} cannot bound {', '.join(lacks)} here: containers of a user without "
            "rights need cgroup v2 with these controllers."
        )

    async def promises(self, image: str) -> Promises:
        """Return what attacks from inside prove; an image without python3 proves nothing."""
        if image not in self._promises:

            def make(folder: Path) -> ContainerExecutionEnvironment:
                return ContainerExecutionEnvironment(Container(self, image), is_attacked=False)

            home = self.environ.get("HOME", "")
            self._promises[image] = await check_isolation(
                make,
                python="python3",
                hide=[Path(home)] if home and os.access(home, os.R_OK) else [],
                places=[*SYSTEM_PLACES, WORKSPACE],
            )
        return self._promises[image]

    async def remove_leftovers(self) -> None:
        """Remove the containers of processes on this machine that are gone."""
        label = f"label={_MACHINE}={_machine()}"
        said = await self.ask("ps", "--all", "--filter", label, "--format", "{{.Names}}")
        if gone := [name for name in said.stdout.split() if not _holder_lives(name)]:
            await self.ask("rm", "--force", *gone)


class Container:
    """A container that is made at the first start, and whose files vanish when it is removed.

    The image is there already (it is never pulled), and has a shell and the programs of GNU or
    busybox. Several environments can work in it.
    """

    def __init__(
        self,
        daemon: Daemon,
        image: str,
        folder: str = WORKSPACE,
        *,
        run_id: str = "",
        bounds: ContainerBounds | None = None,
    ) -> None:
        self.daemon = daemon
        self.image = image
        self.folder = folder
        self.name = ""
        self._run_id = run_id
        self._bounds = bounds or ContainerBounds()
        self._main: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Make the container with an empty folder; raise RemoteLost if an earlier one is gone."""
        async with self._starting:
            if self._main is None:
                await self._make()
            elif self._main.returncode is not None:
                raise RemoteLost(
                    f"the container {self.name} has ended, with its files",
                    hint="resume the run: another container gets the files of the last stage",
                )

    async def _make(self) -> None:
        bounded = await self.daemon.bounded()
        await self.daemon.remove_leftovers()
        me = find_process(os.getpid())
        holder = f"{me.number}-{me.started}" if me else "unknown"
        self.name = f"attractor-{holder}-{secrets.token_hex(6)}"
        try:
            await self._require("create", *self._options(bounded), self.image, *_STAYS)
            folders = _archive_of([self.folder, _HOME])
            await self._require("cp", "-", f"{self.name}:/", stdin=folders)
            await self._start_main()
        except BaseException:
            await self.remove()
            raise

    async def remove(self) -> None:
        """Remove the container, with all processes and files in it."""
        main, self._main = self._main, None
        if main is not None:
            assert main.stdin
            main.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await main.wait()
            await kill_process(main)
        if self.name:
            # It is gone already, if all went well.
            await self.daemon.ask("rm", "--force", self.name)

    def _options(self, bounded: frozenset[str]) -> Sequence[str]:
        bounds = self._bounds
        options = [
            *("--rm", "--interactive", "--init", "--pull", "never", "--network", "none"),
            *("--name", self.name, "--user", f"{_USER}:{_USER}", "--stop-timeout", "1"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--label", f"{_RUN}={self._run_id}", "--label", f"{_MACHINE}={_machine()}"),
            *_STAY,
        ]
        for name, value in _VARIABLES.items():
            options += ["--env", f"{name}={value}"]
        if "memory" in bounded:
            most = str(bounds.max_memory_mb * _MB)
            options += ["--memory", most, "--memory-swap", most]
        if "pids" in bounded:
            options += ["--pids-limit", str(bounds.max_processes)]
        if "cpu" in bounded:
            options += ["--cpus", str(bounds.max_cpus)]
        return options

    async def _require(self, *words: str, stdin: bytes = b"") -> None:
        said = await self.daemon.ask(*words, stdin=stdin)
        if said.exit_code or said.timed_out:
            raise self._not_started(said.stderr)

    async def _start_main(self) -> None:
        """Start the shell whose end is the end of the container."""
        argv = [self.daemon.program, "start", "--attach", "--interactive", self.name]
        main = self._main = await start_program(argv, self.daemon.environ)
        assert main.stderr
        if not await await_connection(main, self.name):
            raise self._not_started((await main.stderr.read()).decode("utf-8", "replace"))

    def _not_started(self, said: str) -> ContainerNotStarted:
        program, words = self.daemon.program, said.casefold()
        if any(one in words for one in _NO_IMAGE):
            return self.daemon.missing_image(self.image)
        if any(one in words for one in _NO_SHELL):
            return ContainerNotStarted(
                f"the image {self.image} has no shell",
                hint="use an image with sh and the programs of GNU or busybox, such as debian",
            )
        return ContainerNotStarted(
            f"{program} cannot start a container of {self.image}: {_line(said)}"
        )


class ContainerExecutionEnvironment(DockerExecutionEnvironment):
    """The folder of a container that is made for it.

    Commands are those of a user without rights and without a name in the image. The promises are
    those that attacks proved; without python3 in the image they cannot run. The container is
    removed at the end, or, if it `is_kept`, when it is released.
    """

    def __init__(
        self,
        container: Container,
        *,
        keep: OutputLimit | None = None,
        is_attacked: bool = True,
        is_kept: bool = False,
        mark: str = "",
    ) -> None:
        daemon = container.daemon
        super().__init__(
            "",
            container.folder,
            program=daemon.program,
            environ=daemon.environ,
            keep=keep,
            mark=mark,
        )
        self._made = container
        self._is_attacked = is_attacked
        self._is_kept = is_kept
        self._promised = Promises()

    async def initialize(self) -> None:
        """Start the container, and attack its image if that is not done yet."""
        await self._made.start()
        self._container = self._made.name
        try:
            await super().initialize()
            if self._is_attacked:
                self._promised = await self._made.daemon.promises(self._made.image)
        except BaseException:
            if not self._is_kept:
                await self._made.remove()
            raise

    async def cleanup(self) -> None:
        """End all processes of this environment, and remove the container if it is not kept."""
        if self._is_kept:
            await super().cleanup()
            return
        services, self._services = self._services, []
        self._known = None
        try:
            await self.release()
        finally:
            await asyncio.gather(*(service.stop() for service in services))

    async def release(self) -> None:
        """Remove the container, with all processes and files in it."""
        await self._made.remove()

    @property
    def copy_id(self) -> str:
        """The name of the container."""
        return self._container

    @property
    def daemon(self) -> Daemon:
        """The program that made the container."""
        return self._made.daemon

    def promises(self) -> Promises:
        """Return the proved guarantees."""
        return self._promised


def _bounded(info: Mapping[str, Any]) -> frozenset[str]:
    """Read what `docker info` or `podman info` say; a `docker` may be Podman."""
    if host := cast(Mapping[str, Any], info.get("host")):
        if host.get("cgroupVersion") == "v1" and host.get("security", {}).get("rootless"):
            return frozenset()
        return frozenset(host.get("cgroupControllers") or ()) & {"memory", "pids", "cpu"}
    names = {"memory": "MemoryLimit", "pids": "PidsLimit", "cpu": "CpuCfsQuota"}
    return frozenset(name for name, given in names.items() if info.get(given))


def _maps_user(info: Mapping[str, Any]) -> bool:
    """Return whether the user and group of containers exist outside; without a map, all do."""
    maps = cast(Mapping[str, Any], info.get("host", {}).get("idMappings") or {})
    ranges = [cast(Sequence[Mapping[str, int]], given) for given in maps.values() if given]
    return all(
        any(0 <= _USER - one["container_id"] < one["size"] for one in given) for given in ranges
    )


def _archive_of(folders: Sequence[str]) -> bytes:
    """Return a tar archive of empty folders of the user inside."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for folder in folders:
            entry = tarfile.TarInfo(folder.strip("/"))
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, _USER, _USER
            archive.addfile(entry)
    return written.getvalue()


def _machine() -> str:
    """Return what tells processes with the same id apart: the boot, and the space of processes."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"  # noqa: PTH115
    return "unknown"


def _holder_lives(name: str) -> bool:
    number, started = name.split("-")[1:3]
    found = find_process(int(number)) if number.isdecimal() else None
    return not number.isdecimal() or (found is not None and found.started == started)


def _line(text: str) -> str:
    return " ".join(text.split()) or "no reason was given"
