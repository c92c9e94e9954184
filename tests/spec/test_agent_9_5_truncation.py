"""Coding-agent-loop 9.5; the tables are in tests/agent/tool_calls/test_execution.py."""

from pathlib import Path

from attractor.agent.events import EventKind, SessionConfig
from attractor.agent.tool_calls.execution import DEFAULT_BOUNDS, truncate_tool_output
from tests.agent.twinned import WIRES, says, submit, talk, use, uses
from tests.tables import table

DEFAULTS = SessionConfig()


def test_9_5_characters_are_cut_first() -> None:
    assert len(truncate_tool_output("x" * 10_000_000, "shell", DEFAULTS)) < 31_000


def test_9_5_lines_are_cut_second_where_a_limit_is_set() -> None:
    limits = {name: one.max_lines for name, one in DEFAULT_BOUNDS.items() if one.max_lines}
    assert limits == {"shell": 256, "grep": 200, "glob": 500}
    for tool, limit in limits.items():
        cut = truncate_tool_output("\n".join(map(str, range(1_000))), tool, DEFAULTS).split("\n")
        assert f"[... {1_000 - limit} lines omitted ...]" in cut
        assert len(cut) == limit + 1


@table("wire", WIRES)
def test_9_5_the_model_sees_a_marker_and_the_event_everything(tmp_path: Path, wire: str) -> None:
    (tmp_path / "big.txt").write_text("x" * 100_000)
    answers = [uses(use("read_file", {"file_path": "big.txt"})), says("ok")]
    done = talk(tmp_path, wire, answers, submit("Read big.txt"))
    assert str(done.data_of(EventKind.TOOL_CALL_END)[0]["output"]).count("x") == 100_000
    assert "[WARNING: Tool output was truncated. 50004 characters were removed" in done.last_request
    assert 49_900 < done.last_request.count("x") < 50_200


def test_9_5_default_limits_are_those_of_the_table() -> None:
    assert {name: (one.max_chars, one.mode.value) for name, one in DEFAULT_BOUNDS.items()} == {
        "read_file": (50_000, "head_tail"),
        "read_many_files": (60_000, "head_tail"),
        "shell": (30_000, "head_tail"),
        "grep": (20_000, "tail"),
        "glob": (20_000, "tail"),
        "edit_file": (10_000, "tail"),
        "apply_patch": (10_000, "tail"),
        "write_file": (1_000, "tail"),
        "spawn_agent": (20_000, "head_tail"),
        "wait": (20_000, "head_tail"),
    }


@table("wire", WIRES)
def test_9_5_both_limits_can_be_set(tmp_path: Path, wire: str) -> None:
    (tmp_path / "a").write_text("line\n" * 50)
    config = SessionConfig(tool_output_limits={"read_file": 300}, tool_line_limits={"read_file": 4})
    answers = [uses(use("read_file", {"file_path": "a"})), says("ok")]
    done = talk(tmp_path, wire, answers, submit("Read"), config=config)
    assert "lines omitted ...]" in done.last_request
    assert "[WARNING: Tool output was truncated." in done.last_request
