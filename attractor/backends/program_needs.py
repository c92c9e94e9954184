"""Needs of outside programs: their files, which a sandbox must show, and the keys of providers."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.backends.model_faults import node_fault
from attractor.backends.models import MODEL, PROVIDER
from attractor.backends.programs import Program
from attractor.backends.provider_needs import KEYS, find_fault, has_native_key
from attractor.backends.registry import OutsideParts
from attractor.config.logins import LOGINS, Login
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.program_files import LocatedProgram, locate_program
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node

ASKED = "permissions"
"""The attribute of a node that says whether a person is asked before tool calls."""

_SIMULATE = "--backend simulate needs no program and no key"
_QUICK_MS = 30_000
_SHELL = Path("/bin/bash")
# A shell command may also begin with a builtin, a variable or a bracket.
_PROGRAM = re.compile(
    r"(?!(?:cd|eval|exec|export|if|for|while|case|set|source|test|trap|ulimit|umask|\.)$)[\w./+-]+"
)


def locate(program: Program, environ: Mapping[str, str]) -> LocatedProgram | None:
    """Return where a program is, or None if it is not on the PATH."""
    word = _first_word(program)
    located = locate_program(word, environ)
    if located is None and not _names_program(program):
        located = LocatedProgram(_SHELL)
    return located and replace(located, needs=(*located.needs, *program.read))


async def locate_there(
    program: Program, environment: ExecutionEnvironment
) -> LocatedProgram | None:
    """Return where a program is in the place of a stage, or None if it is missing."""
    asked = f"command -v {shlex.quote(_first_word(program))}"
    found = (await environment.exec_command(asked, timeout_ms=_QUICK_MS)).stdout.strip()
    return LocatedProgram(Path(found)) if found or not _names_program(program) else None


def needed_there(program: Program) -> Sequence[str]:
    """Return the programs that a place must have: this one, and the shell that connects it."""
    own = [_first_word(program)] if _names_program(program) else []
    return [*own, *(["bash"] if program.keeps_input else [])]


def _names_program(program: Program) -> bool:
    return not program.is_shell_command or bool(_PROGRAM.fullmatch(_first_word(program)))


def _first_word(program: Program) -> str:
    try:
        return next(iter(shlex.split(program.run)), program.name)
    except ValueError:
        return ""


def find_missing(
    program: Program, nodes: Sequence[Node], answering: Sequence[Node], parts: OutsideParts
) -> Iterator[Diagnostic]:
    """Yield a fault for a missing program, for models and keys that nodes need, and for nodes that
    a program cannot execute.
    """
    name = f"backend={program.name}"
    if answering:
        message = f"{name}: it cannot answer prompts without tools"
        yield node_fault(answering, message, fix='set backend="agent" on the node, and a model')
    if nodes:
        if fault := _find_program_fault(program, parts):
            fix = program.remedy if parts.command else f"{program.remedy}; {_SIMULATE}"
            yield node_fault(nodes, f"{name}: {fault}", fix=fix)
        asking = [node for node in nodes if parts.asks or node.attributes.text(ASKED) == "ask"]
        if asking and not program.that_asks():
            fix = "use claude, codex, the backend agent, or gemini and opencode by the backend acp"
            yield node_fault(asking, f"{name}: it cannot ask before its tool calls", fix=fix)
        yield from _find_model_faults(program, nodes, parts)


def _find_program_fault(program: Program, parts: OutsideParts) -> str:
    if program.needs_run and not program.run.strip():
        return f"the setting backends.{program.name}.run is missing"
    if not _first_word(program) and not program.is_shell_command:
        return f"the setting backends.{program.name}.run has unbalanced quotes"
    if parts.place:
        return ""
    if locate(program, parts.environ) is None:
        return f"the program {_first_word(program)} is not on the PATH"
    missing = [str(path) for path in program.read if not path.exists()]
    return f"backends.{program.name}.read: {missing[0]} does not exist" if missing else ""


def _find_model_faults(
    program: Program, nodes: Sequence[Node], parts: OutsideParts
) -> Iterator[Diagnostic]:
    by_fault: dict[tuple[str, str], list[Node]] = {}
    yield from _find_unusable_models(program, nodes, parts)
    for node in nodes:
        choice = program.choose(node, parts.defaults)
        if _unusable_model(program, node, parts):
            continue
        if program.needs_model and not choice.model:
            message = f"backend={program.name}: missing {MODEL}: no model is chosen"
            fix = f"pass --model, or set {MODEL} in the pipeline; 'attractor models' lists models"
            yield node_fault([node], message, fix=fix)
        elif login_for(program, choice.provider, parts) or has_login(program, parts):
            continue
        elif fault := find_fault(choice.provider, parts.environ):
            login = _about_login(program, parts) if choice.provider in KEYS else ""
            by_fault.setdefault((fault.message, f"{fault.hint}{login}"), []).append(node)
    for (message, remedy), users in by_fault.items():
        fix = f"{remedy}; {_SIMULATE}"
        yield node_fault(users, f"backend={program.name}: {message}", fix=fix)


def _about_login(program: Program, parts: OutsideParts) -> str:
    """Return how a program can use the operator's login, as the end of a remedy; or ""."""
    place = LOGINS.get(program.name)
    if place and place.source(parts.environ):
        return f"; or let {program.name} use your login: attractor login allow {program.name}"
    if not program.login or parts.place:
        return ""
    return (
        f"; a login of {program.name} (~/{program.login}) is only used with --sandbox none, "
        "because a sandbox hides your home folder"
    )


def _find_unusable_models(
    program: Program, nodes: Sequence[Node], parts: OutsideParts
) -> Iterator[Diagnostic]:
    unusable: dict[str, list[Node]] = {}
    for node in nodes:
        if model := _unusable_model(program, node, parts):
            unusable.setdefault(model, []).append(node)
    for model, users in unusable.items():
        yield node_fault(
            users,
            f"backend={program.name}: it cannot use {model}",
            fix=f"choose a model of {' or '.join(program.providers)}, or another backend; name "
            f"models of several backends with {MODEL} or {PROVIDER} on nodes, in a race with "
            f"--with {program.name}:MODEL,...",
        )


def _unusable_model(program: Program, node: Node, parts: OutsideParts) -> str:
    """Return the model that a node or the run asks for and the program cannot use, or ""."""
    is_named = node.attributes.text(MODEL) or node.attributes.text(PROVIDER)
    named = parts.defaults.choose(node)
    if not (is_named or parts.is_model_asked) or program.can_use(named.provider):
        return ""
    model = f"the model {named.model!r}" if named.model else "models"
    return f"{model} of {named.provider}"


def has_access(program: Program, provider: str, parts: OutsideParts) -> bool:
    """Return whether a program reaches a provider with the operator's key, or an allowed login."""
    return bool(login_for(program, provider, parts)) or has_native_key(provider, parts.environ)


def login_for(program: Program, provider: str, parts: OutsideParts) -> Login | None:
    """Return the allowed login of a program, if it is one of this provider."""
    login = parts.logins.get(program.name)
    return login if login and login.place.provider == provider else None


def has_login(program: Program, parts: OutsideParts) -> bool:
    """Return whether the operator has logged in to a program that runs without a sandbox."""
    login = Path(parts.environ.get("HOME", "/"), program.login)
    return bool(program.login) and not parts.is_sandboxed and login.is_file()


def find_unmetered(program: Program, nodes: Sequence[Node], parts: OutsideParts) -> Iterator[str]:
    """Yield a sentence if a program calls models without the model proxy, which counts calls."""
    if parts.command and not program.providers:
        return  # it has no network
    providers = {program.choose(node, parts.defaults).provider for node in nodes}
    reports = "nothing" if program.is_shell_command else "only what it reports"
    if "" in providers:
        fix = f"set provider in [backends.{program.name}] of attractor.toml"
        yield f"Model calls of {program.name} without a provider: budgets count {reports} ({fix})."
    if any(provider and not has_access(program, provider, parts) for provider in providers):
        yield f"Model calls of {program.name} with its own login: budgets count {reports}."
