"""Cuts a tool's output down to what a model is shown: characters first, then lines (§5)."""

from collections.abc import Mapping
from enum import StrEnum

from attractor.agent.session_config import SessionConfig
from attractor.base.dataclasses import dataclass


class TruncationMode(StrEnum):
    """Which part of a long output is kept."""

    HEAD_TAIL = "head_tail"
    TAIL = "tail"


@dataclass(frozen=True)
class OutputBounds:
    """How much of one tool's output is kept, and which part."""

    max_chars: int
    mode: TruncationMode
    max_lines: int | None = None


DEFAULT_BOUNDS: Mapping[str, OutputBounds] = {
    "read_file": OutputBounds(50_000, TruncationMode.HEAD_TAIL),
    "shell": OutputBounds(30_000, TruncationMode.HEAD_TAIL, 256),
    "grep": OutputBounds(20_000, TruncationMode.TAIL, 200),
    "glob": OutputBounds(20_000, TruncationMode.TAIL, 500),
    "edit_file": OutputBounds(10_000, TruncationMode.TAIL),
    "apply_patch": OutputBounds(10_000, TruncationMode.TAIL),
    "write_file": OutputBounds(1_000, TruncationMode.TAIL),
}
OTHER_TOOLS = OutputBounds(30_000, TruncationMode.HEAD_TAIL)


def truncate_tool_output(output: str, tool_name: str, config: SessionConfig) -> str:
    """Return what the model is shown of a tool's output."""
    bounds = DEFAULT_BOUNDS.get(tool_name, OTHER_TOOLS)
    max_chars = config.tool_output_limits.get(tool_name, bounds.max_chars)
    max_lines = config.tool_line_limits.get(tool_name, bounds.max_lines)
    shown = truncate_output(output, max_chars, bounds.mode)
    if max_lines is None:
        return shown
    fewer = truncate_lines(shown, max_lines)
    marker = _marker(len(output) - max_chars, bounds.mode).strip()
    if marker in shown and marker not in fewer:
        # It stood among the lines left out, and the model must not miss it.
        return f"{marker}\n\n{fewer}"
    return fewer


def truncate_output(output: str, max_chars: int, mode: TruncationMode) -> str:
    """Keep so many characters, and say how many were removed (§5.1)."""
    removed = len(output) - max_chars
    if removed <= 0:
        return output
    if mode is TruncationMode.TAIL:
        return _marker(removed, mode) + output[removed:]
    head = max_chars // 2
    return output[:head] + _marker(removed, mode) + output[head + removed :]


def truncate_lines(output: str, max_lines: int) -> str:
    """Keep so many lines, half of them from each end (§5.3)."""
    lines = output.split("\n")
    omitted = len(lines) - max_lines
    if omitted <= 0:
        return output
    head = max_lines // 2
    kept = [*lines[:head], f"[... {omitted} lines omitted ...]", *lines[head + omitted :]]
    return "\n".join(kept)


def _marker(removed: int, mode: TruncationMode) -> str:
    if mode is TruncationMode.TAIL:
        return (
            f"[WARNING: Tool output was truncated. First {removed} characters were removed. "
            "The full output is available in the event stream.]\n\n"
        )
    return (
        f"\n\n[WARNING: Tool output was truncated. {removed} characters were removed from the "
        "middle. The full output is available in the event stream. If you need to see specific "
        "parts, re-run the tool with more targeted parameters.]\n\n"
    )
