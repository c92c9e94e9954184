"""Executes snippets, each in a sandbox of its own that is removed afterwards.

The sandbox is bubblewrap, and its guarantees are proved before the first snippet. All that a
snippet writes is in the memory of its sandbox: its input is copied from a read-only folder into its
working folder, and its charts are read through a pipe.
"""

import asyncio
import re
import shlex
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic

from pydantic import ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, NotCanonical, ProcessNotStarted
from attractor.base.files import file_error
from attractor.base.json import parse_json
from attractor.base.processes import ExecResult, run_process
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.errors import SandboxNotStarted
from attractor.environments.program_files import locate_program
from attractor.environments.sandbox.bubblewrap import (
    HOME,
    WORKSPACE,
    SandboxBounds,
    SandboxSettings,
)
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.selection import choose_environment
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.snippets.errors import RuntimeMissing, SandboxUnproved
from attractor.snippets.snippet import (
    FILE_NAMES,
    Artifacts,
    Chart,
    ExtendedExecution,
    Language,
    Snippet,
)

AT_ONCE = 4
"""The number of snippets that are executed at one time; others wait."""

BOUNDS = SandboxBounds(max_processes=256, max_memory_mb=1024, max_open_files=1024, max_file_mb=1024)
"""The most that a snippet may use; smaller settings of `sandbox` count."""

MOST_CHARTS = 8 << 20
"""The size of all charts of a snippet, in bytes of JSON."""

REQUIRED = Promises(
    hides_operator=True,
    own_network=True,
    own_processes=True,
    writes_only_workspace=True,
    bounds_resources=True,
)
"""The guarantees without which no snippet is executed."""

TIMED_OUT = 124
_SIGNALLED = 128

_CHARTS = Path(__file__).parent / "_charts.py"
_FILES, _START, _HOOK = "files", "start", "charts.py"
_WORK, _MADE = f"{HOME}/work", "/tmp/.charts"
_READ_MS = 10_000

_KILLED = re.compile(
    r"^(killed: the sandbox had more than \d+ .+) \(setting sandbox\.(\w+)\)$", re.MULTILINE
)
_REMEDIES = {"max_processes": "start fewer at a time", "max_memory_mb": "hold less in memory"}

_STRIPS_TYPES, _STRIPS_BY_DEFAULT = (22, 6), (23, 6)
_VERSION = re.compile(r"v(\d+)\.(\d+)")
_VERSION_LIMIT = timedelta(seconds=10)


class SnippetSandboxes:
    """Executes snippets for one project, whose folders are hidden from them."""

    def __init__(self, project: Project) -> None:
        self._environ = _environ(project)
        home = project.machine.environ.get("HOME", "")
        self._hide = [
            project.root,
            project.machine.state_dir,
            project.runs_dir,
            *([Path(home)] if home else []),
        ]
        most = asdict(project.bounds)
        smaller = {name: min(bound, most[name]) for name, bound in asdict(BOUNDS).items()}
        self._bounds = SandboxBounds(**smaller)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._proving = asyncio.Lock()
        self._proved: SandboxSettings | None = None

    async def execute(self, snippet: Snippet) -> ExtendedExecution:
        """Execute a snippet to its end or its time limit."""
        async with self._turns:
            runtime = await _runtime(snippet, self._environ)
            async with self._proving:
                if self._proved is None:
                    self._proved = await self._prove()
            settings = replace(
                self._proved,
                read=(*self._proved.read, *runtime.needs),
                read_only=True,
                opens_network=not snippet.network.block_all,
            )
            with _input(snippet, runtime.words) as folder:
                environment = SandboxedExecutionEnvironment(folder, settings)
                try:
                    await environment.initialize()
                    return await _execute(environment, snippet, self._bounds)
                finally:
                    await environment.cleanup()

    async def _prove(self) -> SandboxSettings:
        try:
            choice = await choose_environment(
                "bubblewrap",
                environ=self._environ,
                hide=[one for one in self._hide if one.exists()],
                read=[Path(one) for one in dict.fromkeys((sys.prefix, sys.base_prefix))],
                bounds=self._bounds,
            )
        except SandboxNotStarted as error:
            raise SandboxUnproved(f"snippets need a sandbox: {error.message}") from error
        kept = asdict(choice.promises)
        lacks = [name for name, needed in asdict(REQUIRED).items() if needed and not kept[name]]
        if lacks or choice.settings is None:
            raise SandboxUnproved(f"the sandbox of snippets is not proved: {', '.join(lacks)}")
        return choice.settings


def _environ(project: Project) -> Mapping[str, str]:
    """Return the variables to choose from: `python` is the one that executes snippets."""
    found = RunScope.of(project).variables_of_tools
    folders = (str(Path(sys.executable).parent), found.get("PATH", ""))
    return {**found, "PATH": ":".join(filter(None, folders))}


@dataclass(frozen=True)
class _Runtime:
    """The words that execute a snippet, and the paths that its sandbox must show."""

    words: Sequence[str]
    needs: Sequence[Path] = ()


async def _runtime(snippet: Snippet, environ: Mapping[str, str]) -> _Runtime:
    if snippet.command is not None:
        return _Runtime(["/bin/sh", "-c", snippet.command, "sh"])
    file = FILE_NAMES[snippet.language]
    if snippet.language is Language.PYTHON:
        return _Runtime([sys.executable, f"{WORKSPACE}/{_HOOK}", _MADE, file])
    return await _node(snippet.language, file, environ)


async def _node(language: Language, file: str, environ: Mapping[str, str]) -> _Runtime:
    wanted = _STRIPS_TYPES if language is Language.TYPESCRIPT else (0, 0)
    least = f" {'.'.join(map(str, wanted))} or later" if any(wanted) else ""
    hint = f"install Node.js{least}, so that it is the first node on PATH"
    program = locate_program("node", environ)
    if program is None:
        raise RuntimeMissing(f"{language} needs node{least}, which is not on PATH", hint=hint)
    words, version = [str(program.file), "--version"], (0, 0)
    with suppress(ProcessNotStarted):
        result = await run_process(words, cwd="/", env=environ, timeout=_VERSION_LIMIT)
        if match := _VERSION.match(result.stdout):
            version = int(match[1]), int(match[2])
    if version < wanted:
        found = ".".join(map(str, version)) if any(version) else "unknown"
        raise RuntimeMissing(
            f"{language} needs node{least}; the version of {program.file} is {found}", hint=hint
        )
    strips = language is Language.TYPESCRIPT and version < _STRIPS_BY_DEFAULT
    options = ["--experimental-strip-types"] if strips else []
    return _Runtime([str(program.file), *options, file], program.needs)


@contextmanager
def _input(snippet: Snippet, words: Sequence[str]) -> Generator[Path]:
    """Yield a folder with the input of a sandbox, and remove it."""
    with ExitStack() as removing:
        try:
            made = tempfile.TemporaryDirectory(prefix="attractor-")
            folder = Path(removing.enter_context(made))
            _write(folder, snippet, words)
        except OSError as cause:
            raise file_error("write the input into", tempfile.gettempdir(), cause) from cause
        yield folder


def _write(folder: Path, snippet: Snippet, words: Sequence[str]) -> None:
    files = {one.path: one.content for one in snippet.files}
    if snippet.code is not None:
        files[FILE_NAMES[snippet.language]] = snippet.code
    (folder / _FILES).mkdir()
    for path, content in files.items():
        file = folder / _FILES / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    (folder / _HOOK).write_bytes(_CHARTS.read_bytes())
    variables = {"MPLBACKEND": "Agg", **snippet.env}
    settings = [f"{name}={value}" for name, value in variables.items()]
    command = shlex.join(["/usr/bin/env", *settings, *words, *snippet.argv])
    start = f"mkdir {_WORK} && cp -R {WORKSPACE}/{_FILES}/. {_WORK} && cd {_WORK} && exec {command}"
    (folder / _START).write_bytes(start.encode())


async def _execute(
    environment: ExecutionEnvironment, snippet: Snippet, bounds: SandboxBounds
) -> ExtendedExecution:
    began, milliseconds = monotonic(), round(snippet.timeout * 1000)
    try:
        result = await environment.exec_command(f". {WORKSPACE}/{_START}", timeout_ms=milliseconds)
    except MachineryError as error:
        if monotonic() - began < snippet.timeout:
            raise
        # A snippet can delay its end until the whole sandbox ends.
        result = ExecResult("", error.message, TIMED_OUT, timed_out=True, duration_ms=milliseconds)
    may_draw = snippet.code is not None and snippet.language is Language.PYTHON
    charts, is_cut = await _charts(environment) if may_draw else ([], False)
    code = result.exit_code if result.exit_code >= 0 else _SIGNALLED - result.exit_code
    if result.timed_out:
        code = TIMED_OUT
    return ExtendedExecution(
        ok=code == 0,
        exit_code=code,
        stdout=result.stdout,
        artifacts=Artifacts(stdout=result.stdout, charts=charts),
        stderr=_KILLED.sub(partial(_explain, bounds), result.stderr),
        timed_out=result.timed_out,
        truncated=is_cut or result.stdout_omitted + result.stderr_omitted > 0,
    )


def _explain(bounds: SandboxBounds, killed: re.Match[str]) -> str:
    """Return the end of a killed snippet with what its author can do; no setting raises BOUNDS."""
    words, name = killed.groups()
    if asdict(bounds)[name] < asdict(BOUNDS)[name]:
        return killed[0]
    return f"{words} (the limit of a snippet: {_REMEDIES[name]})"


async def _charts(environment: ExecutionEnvironment) -> tuple[list[Chart], bool]:
    """Return the charts that a snippet left, and whether some were too large."""
    pieces: list[str] = []
    await environment.exec_command(
        # A snippet can put a pipe there, which nobody writes.
        f'for file in {_MADE}/*.json; do [ -f "$file" ] && cat "$file"; done 2>&- '
        f"| head -c {MOST_CHARTS + 1}",
        timeout_ms=_READ_MS,
        on_output=lambda chunk: pieces.append(chunk.text) if chunk.stream == "stdout" else None,
    )
    whole = "".join(pieces)
    is_cut = len(whole.encode()) > MOST_CHARTS
    # The last line of a cut text is not whole.
    lines = whole.splitlines()[: -1 if is_cut else None]
    charts: list[Chart] = []
    for line in lines:
        try:
            charts.append(Chart.model_validate(parse_json(line)))
        except (NotCanonical, ValidationError):  # written by the snippet itself
            is_cut = True
    return charts, is_cut
