"""Errors at the start of a sandbox: permanent on an unsuitable machine, or temporary."""

from pathlib import Path

from attractor.environments.errors import SandboxLost, SandboxNotStarted, SandboxUnavailable
from attractor.environments.sandbox.process import failed_start
from tests.tables import table

TOO_MANY = (
    "bwrap: Creating new namespace failed: "
    "nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
)


@table(
    "words",
    [
        "bwrap: No permissions to create new namespace, likely because the kernel does not allow",
        "bwrap: No permissions to creating new namespace, likely because the kernel",
        "bwrap: Creating new namespace failed, likely because the kernel does not support user",
        "bwrap: Creating new namespace failed: Operation not permitted",
        "bwrap: setting up uid map: Permission denied",
        "bwrap: setting up gid map: Operation not permitted",
        "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
        "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
        "bwrap: Failed to make / slave: Permission denied",
        "bwrap: pivot_root: Operation not permitted",
    ],
)
def test_forbidden_sandbox_is_recognized_by_the_message_of_bubblewrap(words: str) -> None:
    error = failed_start(words, 1, SandboxLost())
    assert isinstance(error, SandboxUnavailable)
    assert words in error.message


@table(
    "words",
    [
        "bwrap: Can't bind mount /oldroot/usr on /newroot/usr: No space left on device",
        "bwrap: Can't mount proc on /newroot/proc: Cannot allocate memory",
        "bwrap: Creating new namespace failed: Cannot allocate memory",
        "bwrap: setting up uid map: Input/output error",
        "bwrap: Can't create file at /etc/hosts: Permission denied",
        "bwrap: Can't write data to file /etc/passwd: File too large",
        "bwrap: Unknown option --unshare-user",
    ],
)
def test_other_failures_are_temporary(words: str) -> None:
    error = failed_start(words, 1, SandboxLost())
    assert type(error) is SandboxNotStarted
    assert words in error.message
    assert "--sandbox none" in error.hint


def test_failure_without_a_message_reports_the_exit_status() -> None:
    assert "exited with status -9" in failed_start("", -9, SandboxLost()).message
    assert "start timed out" in failed_start("", -9, TimeoutError()).message


def test_temporary_namespace_limit_is_distinguished_from_a_ban(tmp_path: Path) -> None:
    most = tmp_path / "max_user_namespaces"
    for message, kind in (("0\n", SandboxUnavailable), ("5\n", SandboxNotStarted)):
        most.write_text(message)
        assert type(failed_start(TOO_MANY, 1, SandboxLost(), most=most)) is kind
    most.unlink()
    assert type(failed_start(TOO_MANY, 1, SandboxLost(), most=most)) is SandboxNotStarted
