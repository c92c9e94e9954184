"""Which errors leave a due run due, as the table of docs/explanation/crash-safety.md says."""

import pytest

from attractor.base.errors import (
    AttractorError,
    FileError,
    JournalError,
    LockHeld,
    ProcessNotStarted,
    UsageError,
    VerificationError,
    is_not_now,
)
from attractor.environments.errors import SandboxUnavailable
from attractor.factory.errors import ClockSetBack, Retired
from attractor.fleet.errors import ActorBusy, DatabaseAway, StoreAway
from attractor.language.diagnostics import NotRunnable
from attractor.workspaces.errors import DimensionMissing, GitFailed, SetupFailed, WorkspaceExists

PASSING = (
    *(FileError, JournalError, ProcessNotStarted, LockHeld, DimensionMissing, ClockSetBack),
    *(SandboxUnavailable, GitFailed, SetupFailed, DatabaseAway, StoreAway, ActorBusy),
)
LASTING = (UsageError, VerificationError, Retired, WorkspaceExists)


@pytest.mark.parametrize("kind", [*PASSING, *LASTING])
def test_error_says_whether_the_work_stays(kind: type[AttractorError]) -> None:
    assert is_not_now(kind("no")) is (kind in PASSING)


def test_other_errors_and_faults_of_a_pipeline() -> None:
    assert is_not_now(OSError(28, "No space left on device"))
    assert not is_not_now(ValueError("a defect"))
    assert not is_not_now(NotRunnable("flow", []))
    assert is_not_now(NotRunnable("flow", [], is_not_now=True))
