"""Choice of the environment, and messages about missing programs."""

import asyncio
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UnknownName
from attractor.environments import selection
from attractor.environments.environment import Promises
from attractor.environments.errors import SandboxNotStarted, SandboxUnavailable, SandboxWeakened
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.process import Sandbox
from attractor.environments.selection import (
    EnvironmentChoice,
    choose_environment,
    find_interpreter,
    require_promised,
)
from tests.environments.places import FAR_MS, make_walls, run, use
from tests.environments.test_promises import PROMISED
from tests.needs import needs_bubblewrap
from tests.tables import table


def choose(kind: str, folder: Path, *, path: str | None = None) -> EnvironmentChoice:
    environ = {"PATH": os.environ["PATH"] if path is None else path}
    hide = [folder / "home"]
    hide[0].mkdir(exist_ok=True)
    return asyncio.run(choose_environment(kind, environ=environ, hide=hide, scratch=folder))


def add_bwrap(folder: Path, script: str) -> str:
    (folder / "bin").mkdir()
    program = folder / "bin" / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program.parent)


@pytest.mark.usefixtures("sandbox_allowed")
@pytest.mark.parametrize("kind", ["auto", "bubblewrap"])
def test_auto_chooses_an_available_sandbox(kind: str, tmp_path: Path, workspace: Path) -> None:
    choice = choose(kind, tmp_path)
    assert choice.kind == "bubblewrap"
    assert choice.promises.guards_holdouts
    assert choice.promises.writes_only_workspace
    assert "sandbox (bubblewrap): only the workspace is visible" in choice.sentence
    environment = choice.make(workspace)
    assert isinstance(environment, SandboxedExecutionEnvironment)
    assert environment.promises() == choice.promises
    result = use(environment, lambda env: env.exec_command("pwd", timeout_ms=FAR_MS))
    assert result.stdout == "/workspace\n"
    (tmp_path / "project/modules").mkdir(parents=True)
    (tmp_path / "project/modules/one").touch()
    assert choice.make_showing
    shows = choice.make_showing(workspace, [BindMount(tmp_path / "project", "modules")])
    result = use(shows, lambda env: env.exec_command("ls modules", timeout_ms=FAR_MS))
    assert result.stdout == "one\n"


@pytest.mark.usefixtures("landlock_allowed")
def test_auto_without_bubblewrap_chooses_landlock_and_names_its_leaks(
    tmp_path: Path, workspace: Path
) -> None:
    choice = choose("auto", tmp_path, path="/nowhere")
    assert (choice.kind, choice.make_showing) == ("landlock", None)
    assert choice.promises == PROMISED["landlock"]
    assert choice.sentence == (
        "Tools run in a sandbox (Landlock, not bubblewrap: no bwrap on PATH) that may leak: "
        "metadata of your files may be read and changed."
    )
    environment = choice.make(workspace)
    assert environment.promises() == choice.promises
    [result] = run(environment, "pwd")
    assert result.stdout == f"{workspace.resolve()}\n"
    named = choose("landlock", tmp_path)
    assert named.sentence.startswith("Tools run in a sandbox (Landlock) that may leak: ")


@pytest.mark.parametrize(
    ("abi", "words"),
    [
        (0, "no Landlock in this kernel or container"),
        (5, "Landlock of this kernel is too old: version 5 instead of 6"),
    ],
)
def test_auto_without_any_sandbox_explains_it(
    abi: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "landlock_abi", lambda: abi)
    with pytest.raises(SandboxUnavailable, match=words) as caught:
        choose("landlock", tmp_path)
    assert "use bubblewrap" in caught.value.hint
    assert "--sandbox none" in caught.value.hint
    choice = choose("auto", tmp_path, path="/nowhere")
    assert choice.kind == "none"
    assert choice.make_showing is None
    assert choice.sentence == (
        "Tools run without a sandbox, with your rights on this machine: no bwrap on PATH; "
        f"{words}. Processes left over are killed, except for hidden processes and processes on "
        "other machines."
    )
    assert not choice.promises.guards_holdouts
    assert isinstance(choice.make(tmp_path), LocalExecutionEnvironment)


def test_forbidden_sandboxes_are_reported_with_bubblewraps_message(tmp_path: Path) -> None:
    path = add_bwrap(tmp_path, "echo 'bwrap: No permissions to create a new namespace' >&2; exit 1")
    assert "No permissions" in choose("auto", tmp_path, path=path).sentence
    with pytest.raises(SandboxNotStarted, match="No permissions") as caught:
        choose("bubblewrap", tmp_path, path=path)
    assert "doctor" in caught.value.hint


@table(
    ("script", "words"),
    [
        ("exit 1", "exited with status 1"),
        ("kill -9 $$", "exited with status -9"),
        ("echo 'bwrap: /etc/hosts: No space left on device' >&2; exit 1", "No space left"),
    ],
)
def test_temporary_failures_are_errors(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(SandboxNotStarted, match=words) as caught:
        choose("auto", tmp_path, path=add_bwrap(tmp_path, script))
    assert caught.value.exit_code is ExitCode.UNFINISHED
    assert "--sandbox none" in caught.value.hint


@needs_bubblewrap
@pytest.mark.parametrize("size", [0, 1024])
def test_file_size_limit_is_a_temporary_failure(tmp_path: Path, size: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(SandboxNotStarted, match="File too large"):
            asyncio.run(Sandbox.start(make_walls(), tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_fewer_guarantees_than_promised_are_an_error(tmp_path: Path) -> None:
    choice = choose("none", tmp_path)
    require_promised(Promises(), choice)
    guarded = replace(choice, promises=Promises(hides_operator=True, own_network=True))
    require_promised(Promises(), guarded)
    require_promised(Promises(own_network=True), guarded)
    with pytest.raises(SandboxWeakened, match="run: your processes may be visible$") as caught:
        require_promised(Promises(hides_operator=True, own_processes=True), guarded)
    assert caught.value.exit_code is ExitCode.UNFINISHED
    assert "--sandbox none" in caught.value.hint


def test_a_sandbox_requested_by_name_is_required(tmp_path: Path) -> None:
    with pytest.raises(SandboxNotStarted, match="no bwrap on PATH") as caught:
        choose("bubblewrap", tmp_path, path="/nowhere")
    assert "apt-get install bubblewrap" in caught.value.hint


def test_none_disables_an_available_sandbox(tmp_path: Path) -> None:
    assert choose("none", tmp_path).kind == "none"


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="bubblewarp") as caught:
        choose("bubblewarp", tmp_path)
    assert "bubblewrap" in caught.value.hint


def test_an_interpreter_is_found() -> None:
    assert os.access(find_interpreter().program, os.X_OK)


# As in a container: system calls that make user namespaces are refused.
FORBIDDEN = """
import asyncio, ctypes, os, struct, sys
from pathlib import Path
from attractor.environments.sandbox.seccomp import seccomp_filter
from attractor.environments.selection import choose_environment
program = ctypes.create_string_buffer(seccomp_filter())
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
place = struct.pack("HP", (len(program) - 1) // 8, ctypes.addressof(program))
assert libc.prctl(22, 2, place, 0, 0) == 0
chosen = choose_environment("auto", environ=os.environ, hide=[], scratch=Path(sys.argv[1]))
print(asyncio.run(chosen).sentence)
"""


@pytest.mark.usefixtures("sandbox_allowed", "landlock_allowed")
def test_auto_chooses_landlock_where_user_namespaces_are_forbidden(tmp_path: Path) -> None:
    said = subprocess.check_output([sys.executable, "-c", FORBIDDEN, str(tmp_path)], text=True)
    assert said.startswith("Tools run in a sandbox (Landlock, not bubblewrap: cannot start a ")
    assert "that may leak: metadata of your files may be read and changed." in said
