from hypothesis import given, strategies as st

from attractor.agent.events import SessionConfig
from attractor.agent.tool_calls.execution import (
    TruncationMode,
    truncate_lines,
    truncate_output,
    truncate_tool_output,
)
from tests.tables import table

DEFAULTS = SessionConfig()


def test_head_and_tail_are_kept_with_the_specified_marker() -> None:
    shown = truncate_output("a" * 10 + "b" * 10, 8, TruncationMode.HEAD_TAIL)
    assert shown == (
        "aaaa\n\n[WARNING: Tool output was truncated. 12 characters were removed from the middle. "
        "The full output is available in the event stream. If you need to see specific parts, "
        "re-run the tool with more targeted parameters.]\n\nbbbb"
    )


def test_tail_is_kept_with_the_specified_marker() -> None:
    shown = truncate_output("a" * 10 + "b" * 10, 8, TruncationMode.TAIL)
    assert shown == (
        "[WARNING: Tool output was truncated. First 12 characters were removed. "
        "The full output is available in the event stream.]\n\nbbbbbbbb"
    )


@given(st.text(max_size=60), st.integers(1, 70), st.sampled_from(TruncationMode))
def test_truncated_output_keeps_exactly_the_limit(
    text: str, limit: int, mode: TruncationMode
) -> None:
    shown = truncate_output(text, limit, mode)
    if len(text) <= limit:
        assert shown == text
        return
    head = limit // 2 if mode is TruncationMode.HEAD_TAIL else 0
    assert shown.startswith(text[:head])
    assert shown.endswith(f".]\n\n{text[len(text) - limit + head :]}")
    assert f"{len(text) - limit} characters were removed" in shown


def test_half_the_lines_come_from_each_end() -> None:
    lines = [str(number) for number in range(10)]
    assert truncate_lines("\n".join(lines), 5) == "0\n1\n[... 5 lines omitted ...]\n7\n8\n9"
    assert truncate_lines("\n".join(lines), 10) == "\n".join(lines)
    assert truncate_lines("\n".join(lines), 1) == "[... 9 lines omitted ...]\n9"


@table(
    ("tool", "limit"),
    [
        ("read_file", 50_000),
        ("shell", 30_000),
        ("grep", 20_000),
        ("glob", 20_000),
        ("edit_file", 10_000),
        ("apply_patch", 10_000),
        ("write_file", 1_000),
        ("a_tool_of_ones_own", 30_000),
    ],
)
def test_each_tool_has_its_limit(tool: str, limit: int) -> None:
    assert truncate_tool_output("x" * limit, tool, DEFAULTS) == "x" * limit
    shown = truncate_tool_output("x" * (limit + 1), tool, DEFAULTS)
    assert shown.count("x") == limit
    assert "[WARNING: Tool output was truncated." in shown


@table(("tool", "limit"), [("shell", 256), ("grep", 200), ("glob", 500)])
def test_some_tools_have_a_limit_of_lines(tool: str, limit: int) -> None:
    assert truncate_tool_output("\n" * limit, tool, DEFAULTS).count("\n") == limit
    assert "[... 1 lines omitted ...]" in truncate_tool_output("\n" * limit, tool, DEFAULTS)
    assert "omitted" not in truncate_tool_output("\n" * (limit - 1), tool, DEFAULTS)
    assert "omitted" not in truncate_tool_output("\n" * 900, "read_file", DEFAULTS)


def test_the_warning_survives_the_cutting_of_lines() -> None:
    shown = truncate_tool_output("word\n" * 20_000, "shell", DEFAULTS)
    assert shown.startswith("[WARNING: Tool output was truncated. 70000 characters were removed")
    assert "lines omitted ...]" in shown
