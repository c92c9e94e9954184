"""An interrupted command prints the run directory and the command to resume."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, MachineryError
from attractor.cli.invocation import Invocation
from attractor.cli.runs.walk import Interrupted, Watcher, walk
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import BOOTING, EXECUTING
from tests.engine.graphs import line
from tests.engine.runs import Workplace


def error_of_walk(folder: Path, trouble: BaseException, *, is_begun: bool = True) -> AttractorError:
    """Return the error that ends a walk after this exception."""
    root = folder / "run"
    if is_begun:
        with Workplace(root, line("a")).open() as run:
            run.change_status(BOOTING)
            run.change_status(EXECUTING)

    async def work() -> RunResult:
        raise trouble

    with pytest.raises(AttractorError) as caught:
        walk(work(), Watcher(Invocation(environ={}), root))
    return caught.value


def test_interruption_names_the_resume_command(tmp_path: Path) -> None:
    error, root = error_of_walk(tmp_path, asyncio.CancelledError()), tmp_path / "run"
    assert isinstance(error, Interrupted)
    assert error.hint == f"the run is stored in {root}; continue with: attractor resume {root}"
    assert error.details["directory"] == str(root)
    assert error.details["next"] == [f"attractor resume {root}"]
    error = error_of_walk(tmp_path / "disk", MachineryError("the disk is full", hint="make room"))
    root = tmp_path / "disk" / "run"
    assert error.hint.startswith(f"make room; the run is stored in {root}; continue with: ")
    assert error.details["directory"] == str(root)


def test_interruption_before_the_run_names_none(tmp_path: Path) -> None:
    error = error_of_walk(tmp_path, asyncio.CancelledError(), is_begun=False)
    assert (error.hint, dict(error.details)) == ("", {})
