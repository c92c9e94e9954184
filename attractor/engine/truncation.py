"""Truncates long texts so that the cut is visible."""

import re

from attractor.base.json import Json
from attractor.base.process_output import BoundedOutput, OutputLimit

ENDS = OutputLimit(head=2_000, tail=6_000)


LONGEST_RESPONSE = 200
"""The maximum length of a response in the context (attractor-spec 4.5); response.md has it all."""


_LEFT_OUT = re.compile(r"^\[\.\.\. [0-9]+ bytes omitted \.\.\.\]$", re.MULTILINE)


def shorten(text: str, length: int) -> str:
    """Return the beginning of a text, at most `length` characters long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def keep_ends(text: str, limit: OutputLimit = ENDS) -> str:
    """Return the beginning and the end of a text, with a line for the omitted middle."""
    output = BoundedOutput(limit)
    output.add(text.encode("utf-8", "replace"))
    return output.kept().text


def is_cut(text: str) -> bool:
    """Return whether a text of the context was truncated."""
    is_response = len(text) == LONGEST_RESPONSE and text.endswith("…")
    return is_response or _LEFT_OUT.search(text) is not None


def response_updates(node: str, response: str) -> dict[str, Json]:
    """Return the context updates for a stage's response (attractor-spec 4.5, 5.1)."""
    return {"last_stage": node, "last_response": shorten(response, LONGEST_RESPONSE)}


def one_line(text: str, length: int) -> str:
    """Return the beginning of a text in one line, so that it cannot imitate other lines."""
    # Long texts are not split in full.
    return shorten(" ".join(text[: 8 * length].split()), length)


def both_ends(text: str, length: int) -> str:
    """Return the beginning and the end of a text in one line, as for the output of a command."""
    whole = one_line(text, length)
    if len(text) <= length or not whole.endswith("…"):
        return whole
    end = " ".join(text[-4 * length :].split())[-length // 2 :]
    return f"{one_line(text, length - len(end))} {end}"
