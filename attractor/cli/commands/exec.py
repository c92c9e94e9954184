"""Execute code or a command in a fresh sandbox."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import file_error, open_regular
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import project_of
from attractor.environments.confined_paths import ConfinedFolder
from attractor.environments.errors import FileMissing, FileUnusable
from attractor.snippets.execution import SnippetSandboxes
from attractor.snippets.smoke import SmokeCheck, smoke as check
from attractor.snippets.snippet import DEFAULT_S, LONGEST_S, ExtendedExecution, Language, Snippet

STANDARD_INPUT = "-"


@click.command(name="exec")
@click.argument("code", required=False, metavar="[CODE]")
@click.option(
    "--language",
    type=click.Choice([one.value for one in Language]),
    default=Language.PYTHON.value,
    show_default=True,
    help="Execute CODE in this language; typescript and javascript need node.",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="F",
    help="Execute the code in the file F.",
)
@click.option("--command", metavar="C", help="Execute a command for 'sh -c' instead of code.")
@click.option("--arg", "argv", multiple=True, help="Pass an argument. May be repeated.")
@click.option("--env", multiple=True, metavar="K=V", help="Set a variable. May be repeated.")
@click.option(
    "--timeout",
    type=float,
    default=DEFAULT_S,
    show_default=True,
    metavar="S",
    help=f"Stop after S seconds (at most {LONGEST_S}).",
)
@click.option(
    "--with",
    "files",
    multiple=True,
    metavar="FILE",
    help="Copy a text file below this folder into the sandbox. May be repeated.",
)
@click.option("--network", is_flag=True, help="Open the network, which is closed otherwise.")
@json_option
@click.option("--extended", is_flag=True, help="With --json: add stderr, timedOut, truncated.")
@click.option("--smoke", is_flag=True, help="Test the sandbox; execute nothing else.")
@click.pass_obj
def execute(
    invocation: Invocation,
    code: str | None,
    language: str,
    file: str | None,
    command: str | None,
    argv: tuple[str, ...],
    env: tuple[str, ...],
    timeout: float,
    files: tuple[str, ...],
    network: bool,
    as_json: bool,
    extended: bool,
    smoke: bool,
) -> int:
    """Execute code or a command in a fresh sandbox, which is removed afterwards.

    CODE is the text of a program; '-' reads it from standard input. The sandbox contains the files
    of --with and nothing else of yours. The output and the exit status of the code are passed on.
    The status is 124 after the time limit, and 128 plus the number of a signal; 2 and 3 can also be
    errors of this command, which begin with 'error:'. Charts of matplotlib are in the answer of
    --json.
    """
    if extended and not as_json:
        raise UsageError("--extended needs --json", hint="add --json")
    if smoke:
        if any((code, file, command)):
            raise UsageError("--smoke executes no code", hint="remove the code")
        return asyncio.run(_smoke(_sandboxes(invocation), as_json=as_json))
    given = [one for one in (code, file, command) if one is not None]
    if len(given) != 1:
        hint = "see 'attractor exec --help'"
        raise UsageError("exactly one of CODE, --file and --command is required", hint=hint)
    snippet = _snippet(
        {
            "language": language,
            "code": _read(STANDARD_INPUT) if code == STANDARD_INPUT else code,
            **({"code": _read(file)} if file is not None else {}),
            "command": command,
            "argv": argv,
            "env": dict(map(_variable, env)),
            "timeout": timeout,
            "files": [{"path": one, "content": _content_below(one)} for one in _inside(files)],
            "network": {"blockAll": not network},
        }
    )
    found = asyncio.run(_sandboxes(invocation).execute(snippet))
    if as_json:
        show_json((found if extended else found.short()).to_record())
    else:
        _print(found)
    return found.exit_code


def _sandboxes(invocation: Invocation) -> SnippetSandboxes:
    return SnippetSandboxes(project_of(invocation))


def _snippet(fields: Mapping[str, Any]) -> Snippet:
    try:
        return Snippet.model_validate(fields)
    except ValidationError as cause:
        fault = cause.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        words = f"{place}: {fault['msg']}" if place else fault["msg"]
        raise UsageError(words, hint="see 'attractor exec --help'") from cause


def _inside(files: Iterable[str]) -> Iterable[str]:
    """Return paths as a sandbox knows them, before a file outside of the folder is read."""
    for file in files:
        _snippet({"code": "", "files": [{"path": file, "content": ""}]})
        yield file


def _content_below(file: str) -> str:
    """Return the text of a file below the current folder, also if links lead to it."""
    folder = Path.cwd()
    try:
        with (
            ConfinedFolder(folder, [str(folder)]).locate("read", file) as place,
            open_regular(place.name, dir_fd=place.folder) as opened,
        ):
            return opened.read().decode()
    except FileMissing as cause:
        raise UsageError(f"{file} does not exist", hint="pass existing files") from cause
    except FileUnusable as cause:
        raise UsageError(cause.message, hint=cause.hint) from cause
    except UnicodeDecodeError as cause:
        raise _not_text(file) from cause


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
        return content.decode()
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except UnicodeDecodeError as cause:
        raise _not_text(file) from cause


def _not_text(file: str) -> UsageError:
    return UsageError(f"{file} is not text in UTF-8", hint="pass text files only")


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"invalid variable {text!r}", hint="write NAME=VALUE")
    return name, value


def _print(found: ExtendedExecution) -> None:
    for text, err in ((found.stdout, False), (found.stderr, True)):
        if text:
            show(text.removesuffix("\n"), err=err, is_file=True)
    if found.timed_out:
        show("stopped: the time limit was reached (see --timeout)", err=True)
    charts = len(found.artifacts.charts)
    if charts:
        show(f"charts: {charts} (add --json to get them)", err=True)


async def _smoke(sandboxes: SnippetSandboxes, *, as_json: bool) -> ExitCode:
    checks: list[SmokeCheck] = []
    async for one in check(sandboxes):
        checks.append(one)
        state = "skipped" if one.skipped else "ok" if one.holds else "FAILED"
        if not as_json:
            show(f"{state:<8} {one.name}" + (f": {one.skipped}" if one.skipped else ""))
    if as_json:
        show_json([asdict(one) for one in checks])
    return ExitCode.DONE if all(one.holds for one in checks) else ExitCode.FAILED


part = execute
