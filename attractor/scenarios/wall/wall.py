"""Plays the steps of a scenario behind a wall: the tests in one sandbox, the candidate in another.

Each process of the tests knocks, and gets a room: a process in the candidate's sandbox that holds
the walled modules, and two named pipes to it. The pipes are the only thing that both sides see.
"""

import asyncio
import json
import os
import re
import secrets
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from importlib.resources import files
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.scenarios.suite_setup import last_line
from attractor.scenarios.wall.crossing import Crossed, merged, read_crossed
from attractor.scenarios.wall.unit_tests import UnitTests, read_unit_tests

_PACKAGE = "attractor.scenarios.wall"
_INSIDE = "attractor_wall"
"""The name of the package in both sandboxes, which have no Attractor."""

_START = f"""
import os
if os.environ["ATTRACTOR_WALL_MODULES"]:
    from {_INSIDE}.proxies import install
    install(os.environ["ATTRACTOR_WALL"], os.environ["ATTRACTOR_WALL_MODULES"].split(","),
            os.environ["ATTRACTOR_WALL_TESTS"])
"""
_WATCH = f"""
from {_INSIDE} import runners
runners.install(os.environ["ATTRACTOR_WALL"], os.environ["ATTRACTOR_WALL_TESTS"], WITHOUT)
"""
_MOST_ROOMS = 256
_NAME = re.compile(r"(js-)?[0-9a-f]{16}")
"""The name of a room; it says in which language the module is."""


@dataclass
class Wall:
    """The wall of a trial: `tests` and `room` are the sandboxes of both sides.

    The unit tests `without` are left out. With `watches`, it is noted how the others end.
    """

    tests: ExecutionEnvironment
    room: ExecutionEnvironment
    tests_folder: Path
    room_folder: Path
    modules: tuple[str, ...]
    without: tuple[str, ...] = ()
    watches: bool = False
    name: str = field(default_factory=lambda: f".wall-{secrets.token_hex(8)}")
    rooms: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    has_opened: bool = False

    def prepare(self, allowed: Crossed | None = None) -> None:
        """Write what the tests' side needs, with what may cross in each test."""
        library = self._at(self.tests_folder) / "lib" / _INSIDE
        library.mkdir(parents=True)
        for name, text in _sources("values", "proxies", "runners").items():
            (library / f"{name}.py").write_text(text)
        for name in ("values.cjs", "proxies.cjs", "hooks.mjs", "runners.cjs"):
            (library / name).write_text(_text_of(name))
        (library / "__init__.py").touch()
        watch = _WATCH.replace("WITHOUT", repr(self.without)) if self._is_watched else ""
        (library.parent / "sitecustomize.py").write_text(_START + watch)
        os.mkfifo(self._at(self.tests_folder) / "knock")
        if allowed is not None:
            classes = {test: one.classes for test, one in allowed.items()}
            (self._at(self.tests_folder) / "allowed.json").write_text(json.dumps(classes))

    @property
    def _is_watched(self) -> bool:
        return self.watches or bool(self.without)

    @property
    def unit_tests(self) -> UnitTests:
        """How the unit tests ended, if they are watched."""
        return read_unit_tests(self._at(self.tests_folder), self.trouble)

    @property
    def _is_javascript(self) -> bool:
        return any(one.startswith("./") for one in self.modules)

    @property
    def trouble(self) -> str:
        """The first rule that was broken, or ""."""
        with suppress(OSError):
            text = (self._at(self.tests_folder) / "broken").read_text("utf-8", "replace")
            return f"the wall was broken: {text.partition(chr(10))[0]}"
        return ""

    @property
    def crossed(self) -> Crossed:
        """What crossed in each test."""
        found: list[Crossed] = []
        for file in self._at(self.tests_folder).glob("crossed-*.json"):
            # Without a sandbox, the candidate can write there.
            with suppress(ValueError, OSError):
                found.append(read_crossed(json.loads(file.read_text())))
        return merged(found)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a command of the tests."""
        top = self.tests.working_directory()
        here = f"{top}/{self.name}"
        paths = [f"{here}/lib", *filter(None, [given.get("PYTHONPATH")])]
        plugins = [f"{_INSIDE}.runners", *filter(None, [given.get("PYTEST_PLUGINS")])]
        loaded = ["proxies.cjs"] * self._is_javascript + ["runners.cjs"] * self._is_watched
        load = [f"--require={json.dumps(f'{here}/lib/{_INSIDE}/{name}')}" for name in loaded]
        options = [given.get("NODE_OPTIONS", ""), *load] if load else []
        return {
            **given,
            **({"PYTEST_PLUGINS": ",".join(plugins)} if self._is_watched else {}),
            "ATTRACTOR_WALL_WITHOUT": json.dumps(self.without),
            "PYTHONPATH": ":".join(paths),
            **({"NODE_OPTIONS": " ".join(options).strip()} if options else {}),
            "ATTRACTOR_WALL": here,
            "ATTRACTOR_WALL_MODULES": ",".join(self.modules),
            "ATTRACTOR_WALL_TESTS": top,
        }

    @asynccontextmanager
    async def open(self, variables: Mapping[str, str], cwd: str) -> AsyncGenerator[None]:
        """Open rooms, with these variables and this folder, while a command of the tests runs."""
        loop, rest = asyncio.get_running_loop(), b""
        knock = os.open(self._at(self.tests_folder) / "knock", os.O_RDWR | os.O_NONBLOCK)

        def take() -> None:
            nonlocal rest
            with suppress(BlockingIOError):
                *lines, rest = (rest + os.read(knock, 65536)).split(b"\n")
                for line in lines:
                    self._open_room(line.decode("ascii", "replace"), variables, cwd)

        loop.add_reader(knock, take)
        try:
            yield
        finally:
            loop.remove_reader(knock)
            os.close(knock)
            for task in self.rooms:
                task.cancel()
            await asyncio.gather(*self.rooms, return_exceptions=True)
            self.rooms.clear()

    def _open_room(self, name: str, variables: Mapping[str, str], cwd: str) -> None:
        if not _NAME.fullmatch(name):
            return
        self.has_opened = True
        task = asyncio.create_task(self._keep_room(name, variables, cwd))
        self.rooms.add(task)

    async def _keep_room(self, name: str, variables: Mapping[str, str], cwd: str) -> None:
        tests = self._at(self.tests_folder)
        why = f"more than {_MOST_ROOMS} processes of tests"
        if len(self.rooms) <= _MOST_ROOMS:
            for end in ("answer", "ask"):
                os.mkfifo(tests / f"{name}.{end}")
                # Not in a folder of its own, for which the candidate could put a link.
                os.link(tests / f"{name}.{end}", self.room_folder / f"{self.name}-{name}.{end}")
            top = self.room.working_directory()
            try:
                node = name.startswith("js-")
                program = "node --input-type=commonjs -" if node else "python3 -u -"
                done = await self.room.exec_command(
                    f"exec {program} {shlex.quote(top)} {self.name}-{name}",
                    timeout_ms=24 * 3_600_000,
                    working_dir=cwd,
                    env_vars=variables,
                    stdin=(_program_of_node() if node else _program()).encode(),
                )
                why = last_line(done.stderr)
            except FileUnusable as fault:  # the candidate has no such folder
                why = str(fault)
        (tests / f"{name}.gone").write_text(why)

    def _at(self, folder: Path) -> Path:
        return folder / self.name


def _text_of(name: str) -> str:
    return (files(_PACKAGE) / name).read_text("utf-8")


def _program_of_node() -> str:
    """Return the program of a room for JavaScript: both files see no name of the other's."""
    values = f"(() => {{ const module = {{}}; {_text_of('values.cjs')} return module.exports; }})()"
    names = "const { Broken, FUNCTIONS, HOMES, PROTOTYPES, Pipe, Side }"
    return f"(() => {{ {names} = {values};\n{_text_of('room.cjs')} }})();"


def _sources(*names: str) -> dict[str, str]:
    """Return the files of the wall, which name their package as in the sandboxes."""
    texts = {name: _text_of(f"{name}.py") for name in names}
    return {name: text.replace(_PACKAGE, _INSIDE) for name, text in texts.items()}


def _program() -> str:
    """Return the program of a room."""
    return f"""
import sys, types
package = sys.modules["{_INSIDE}"] = types.ModuleType("{_INSIDE}")
package.__path__ = []
for name, text in {_sources("values", "room")!r}.items():
    made = sys.modules["{_INSIDE}." + name] = types.ModuleType("{_INSIDE}." + name)
    exec(compile(text, "the wall, " + name, "exec"), made.__dict__)
made.main()
"""
