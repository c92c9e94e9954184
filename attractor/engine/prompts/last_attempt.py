"""Describes the end of an attempt in the prompt of the next attempt (ruling R3)."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome
from attractor.engine.receipts import RECEIPT, last_lines
from attractor.engine.truncation import both_ends, shorten
from attractor.language.source.text import visible

LONGEST_REASON = 1_000
LONGEST_LINE = 200
MOST_FILES = 50


@dataclass(frozen=True)
class LastCall:
    """The last tool call of an attempt, or its receipt: the name of the tool, and its output or
    its error.
    """

    tool: str
    output: str


def describe_end(outcome: Outcome, call: LastCall | None, refusal: str) -> str:
    """Return how an attempt ended: the reason, a refused report, the last lines of a tool."""
    reason = outcome.failure_reason or outcome.notes or f"it asked for a {outcome.status}"
    parts = [both_ends(reason, LONGEST_REASON)]
    if refusal and refusal not in reason:
        parts.append(f"Its report was refused: {both_ends(refusal, LONGEST_REASON)}")
    if call and (lines := last_lines(call.output)):
        last = f"last tool call{call.tool and f' ({call.tool})'}"
        parts.append(f"The last lines of its {RECEIPT if call.tool == RECEIPT else last}:")
        parts += [f"    {shorten(line.strip(), LONGEST_LINE)}" for line in lines]
    return "\n".join(parts)


def describe_last_attempt(number: int, ended: str, files: str) -> str:
    """Return the paragraph for an attempt; `files` is the state of its files."""
    before = f"Attempt {number - 1} ended without success{files}"
    return f"This is attempt {number} of this task. {before}: {ended}"


def describe_changed_files(paths: Sequence[str]) -> str:
    """Return the paragraph about files that changed between the last snapshot and an attempt."""
    if not paths:
        return ""
    named = ", ".join(visible(shorten(path, LONGEST_LINE)) for path in sorted(paths)[:MOST_FILES])
    more = f" and {len(paths) - MOST_FILES} more" if len(paths) > MOST_FILES else ""
    return (
        "These files were changed since the last step of this task, by a person or by an attempt "
        f"that was interrupted: {named}{more}. Keep these changes, unless the task says otherwise."
    )


def add_last_attempt(prompt: str, last_attempt: str) -> str:
    """Return a prompt with the paragraph about the last attempt, if any."""
    return f"{prompt}\n\n{last_attempt}" if last_attempt else prompt
