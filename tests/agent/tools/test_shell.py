import re
from pathlib import Path

import pytest

from attractor.agent.errors import CommandFailed
from attractor.agent.tool_calls.tool import ToolCallScope
from attractor.agent.tools.shell import MAX_STREAMED, part
from attractor.base.json import Json
from tests.agent.places import finish, local


def run(folder: Path, command: str, **more: Json) -> str:
    return finish(part.execute({"command": command, **more}, local(folder)))


def test_result_has_outputs_exit_code_and_duration(tmp_path: Path) -> None:
    shown = run(tmp_path, "echo out; printf err >&2")
    assert re.fullmatch(r"out\nerr\n\[exit code 0, \d+ ms\]", shown)


def test_silent_command_reports_its_exit_code(tmp_path: Path) -> None:
    assert re.fullmatch(r"\[exit code 0, \d+ ms\]", run(tmp_path, "true"))


def test_a_command_that_fails_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"^why\n\[exit code 3, \d+ ms\]$"):
        run(tmp_path, "echo why; exit 3")


def test_timed_out_command_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as raised:
        run(tmp_path, "echo begun; sleep 30", timeout_ms=200)
    assert raised.value.message == (
        "begun\n[ERROR: Command timed out after 200ms. Partial output is shown above.\n"
        "You can retry with a longer timeout by setting the timeout_ms parameter.]"
    )


def test_missing_program_is_reported_first(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as raised:
        run(tmp_path, "echo before; no-such-program --now")
    assert raised.value.message.startswith("command not found: no-such-program\nbefore\n")


def test_output_is_shown_while_the_command_runs(tmp_path: Path) -> None:
    shown: list[str] = []

    def show(output: str) -> None:
        shown.append(output)
        (tmp_path / "seen").touch()

    command = {"command": "echo begun; until [ -e seen ]; do sleep 0.01; done; echo ended"}
    finish(part.execute(command, local(tmp_path), ToolCallScope(emit_output=show)))
    assert "".join(shown) == "begun\nended\n"
    assert shown[0] == "begun\n"


def test_live_output_is_limited(tmp_path: Path) -> None:
    shown: list[str] = []
    command = {"command": f"yes | head -c {3 * MAX_STREAMED}"}
    finish(part.execute(command, local(tmp_path), ToolCallScope(emit_output=shown.append)))
    assert len("".join(shown)) <= MAX_STREAMED + 64 * 1024


def test_output_beyond_the_limit_says_that_no_event_has_it_whole(tmp_path: Path) -> None:
    shown = run(tmp_path, f"yes | head -c {3 * MAX_STREAMED}")
    assert "bytes omitted ...]" in shown
    assert f"[{MAX_STREAMED} bytes were omitted, also from the event stream" in shown
