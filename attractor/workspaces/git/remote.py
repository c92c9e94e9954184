"""Runs the operator's own git against a remote: with their configuration, credentials and hooks.

Only an action of the operator may do so. The other modules of this folder disable all programs.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from attractor.base.processes import ExecResult, run_process

_PASSWORD = "password="
_TIMEOUT = timedelta(minutes=10)
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


async def run_own_git(
    *arguments: str, folder: Path, environ: Mapping[str, str], stdin: bytes = b""
) -> ExecResult:
    """Run a command of the operator's git in a folder; it asks no question."""
    own = {name: value for name, value in environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    return await run_process(
        ["git", *arguments],
        cwd=folder,
        env={**own, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        timeout=_TIMEOUT,
        stdin=stdin,
    )


async def find_password(address: str, *, folder: Path, environ: Mapping[str, str]) -> str:
    """Return the password that the operator's git knows for an address, or ""."""
    asked = f"url={address}\n\n".encode()
    found = await run_own_git("credential", "fill", folder=folder, environ=environ, stdin=asked)
    lines = found.stdout.splitlines()
    passwords = (one.removeprefix(_PASSWORD) for one in lines if one.startswith(_PASSWORD))
    return next(passwords, "") if found.exit_code == 0 else ""
