"""The command that a person typed after `attractor judge --`: its program, and what it needs.

Its words stay as they are. A program that is known here finds its models and its settings in a home
folder of its own.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath

from attractor.backends.claude import CLAUDE
from attractor.backends.codex import CODEX
from attractor.backends.gemini import GEMINI
from attractor.backends.opencode import OPENCODE
from attractor.backends.outside_events import CallBegun, CallEnded
from attractor.backends.programs import Dialogue, Invocation, Program, Task, take_output
from attractor.backends.provider_needs import has_native_key, provider_of
from attractor.backends.registry import OutsideParts
from attractor.base.json import JsonObject
from attractor.environments.program_files import locate_program

PROGRAMS = (CLAUDE, CODEX, GEMINI, OPENCODE)
"""The coding agents with a backend of their own."""

_WRAPPERS = ("env", "npx", "timeout")
_WITH_VALUE = {"-u", "--unset", "-C", "--chdir", "-k", "--kill-after", "-s", "--signal", "-p"}
_OF_WRAPPER = re.compile(r"-.*|[A-Za-z_]\w*=.*|\d+(\.\d+)?[smhd]?")
_VERSION = re.compile(r"(?<=.)@[^/]*$")
_MODEL_OPTIONS = ("-m", "--model")


def program_word(words: Sequence[str]) -> str:
    """Return the word that names the program of a command, also behind `env`, `npx`, `timeout`."""
    first, *rest = words
    if PurePath(first).name not in _WRAPPERS:
        return first
    while rest and _OF_WRAPPER.fullmatch(rest[0]):
        del rest[: 2 if rest[0] in _WITH_VALUE else 1]
    return program_word(rest) if rest else first


def known_program(words: Sequence[str]) -> Program | None:
    """Return the coding agent that a command starts, if it is one of those with a backend."""
    word = _VERSION.sub("", program_word(words))
    for program in PROGRAMS:
        # The remedy ends with the name of the package for npx.
        if word == program.remedy.split()[-1] or PurePath(word).name == program.name:
            return program
    return None


def typed_program(parts: OutsideParts) -> Program:
    """Return the program of the command that a person typed."""
    words, known = parts.command, known_program(parts.command)
    inner = locate_program(program_word(words), parts.environ)
    return Program(
        name=known.name if known else PurePath(program_word(words)).name,
        remedy=known.remedy if known else "install it, or write the path of a file of the project",
        invoke=partial(_invoke, known, describe_feedback(parts.feedback)),
        drive=partial(_drive, shlex.join(words)),
        run=f"{shlex.join(words)} 2>&1",
        providers=_providers(known, words, parts.environ),
        read=inner.needs if inner else (),
        login=known.login if known else "",
        is_shell_command=True,
        prints_version=False,
    )


def _providers(
    known: Program | None, words: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the providers of a program: first that of the model that the command names."""
    if known is None or len(known.providers) < 2:
        return known.providers if known else ()
    named = ""
    for option, value in zip(words, words[1:], strict=False):
        if option in _MODEL_OPTIONS:
            own, _, model = value.partition("/")
            named = own if own in known.providers else provider_of(model or own)
    usable = [name for name in known.providers if has_native_key(name, environ)]
    first = [named] if named in known.providers else usable
    return tuple(dict.fromkeys([*first, *known.providers]))


def _invoke(known: Program | None, said: str, task: Task) -> Invocation:
    prepare = known.prepare if known and task.home else None
    own = prepare(task) if prepare else Invocation()
    return Invocation((), own.variables, own.files, said)


async def _drive(command: str, dialogue: Dialogue) -> None:
    """Show the command as a call of a shell, and take its output as the answer."""
    dialogue.take(CallBegun("command", "shell", {"command": command}))
    await take_output(dialogue)
    dialogue.take(CallEnded("command"))


def describe_feedback(feedback: JsonObject) -> str:
    """Return the verdict on the attempt before, as the command reads it; "" for the first one."""
    if not feedback:
        return ""
    failed, count = feedback.get("feedback.failed_scenarios"), feedback.get("feedback.scenarios")
    lines = [
        "Your changes so far were judged by hidden scenarios, and did not pass: "
        f"{failed} of {count} failed. The files are as you left them. Correct them.",
        *(
            f"{words}: {told}"
            for name, words in _TOLD.items()
            if (told := feedback.get(f"feedback.{name}"))
        ),
    ]
    return "\n".join([*lines, ""])


_TOLD = {
    "rules": "Rules that refused them",
    "failures": "How scenarios failed",
    "tags": "Failed scenarios by subject",
}
