"""Truncates texts of a run, and recognizes the references that replace large values."""

import re

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, canonical_json
from attractor.base.patterns import late_pattern
from attractor.base.processes import BoundedOutput, OutputLimit

ENDS = OutputLimit(head=2_000, tail=6_000)

LONGEST_RESPONSE = 200
"""The maximum length of a response in the context (attractor-spec 4.5).

response.md has the whole response.
"""

_LEFT_OUT = late_pattern(r"^\[\.\.\. [0-9]+ bytes omitted \.\.\.\]$", re.MULTILINE)


def shorten(text: str, length: int) -> str:
    """Return the beginning of a text, at most `length` characters long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def keep_ends(text: str, limit: OutputLimit = ENDS) -> str:
    """Return the beginning and the end of a text, with a line for the omitted middle."""
    output = BoundedOutput(limit)
    output.add(text.encode("utf-8", "replace"))
    return output.kept().text


def is_cut(text: str) -> bool:
    """Return whether the text of a context value was truncated."""
    is_response = len(text) == LONGEST_RESPONSE and text.endswith("…")
    return is_response or _LEFT_OUT.search(text) is not None


def response_updates(node: str, response: str) -> dict[str, Json]:
    """Return the context updates for a stage's response (attractor-spec 4.5, 5.1)."""
    return {"last_stage": node, "last_response": shorten(response, LONGEST_RESPONSE)}


def one_line(text: str, length: int) -> str:
    """Return the beginning of a text in one line, so that the text cannot imitate other lines."""
    # Long texts are not split in full.
    return shorten(" ".join(text[: 8 * length].split()), length)


def both_ends(text: str, length: int) -> str:
    """Return the beginning and the end of a text in one line, for example of a command's output."""
    whole = one_line(text, length)
    if len(text) <= length or not whole.endswith("…"):
        return whole
    end = " ".join(text[-4 * length :].split())[-length // 2 :]
    return f"{one_line(text, length - len(end))} {end}"


_BLANKS = late_pattern(r"(?! \S)\s+")


def condense(text: str, length: int) -> str:
    """Return both ends of a text in one line, with a mark for all blanks but a single space."""
    return both_ends(_BLANKS.sub(" … ", text.strip()), length)


_HASH, _SIZE = "$artifact", "bytes"

_DIGEST = late_pattern(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """The reference that replaces a large value."""

    hash: str
    size: int

    def to_json(self) -> Json:
        """Return the JSON object that stands for the value."""
        return {_HASH: self.hash, _SIZE: self.size}


def find_reference(value: Json) -> Reference | None:
    """Return a value as a Reference, or None if the value is not a reference."""
    match value:
        case {"$artifact": str(digest), "bytes": int(size)} if len(value) == len((_HASH, _SIZE)):
            return Reference(digest, size) if _DIGEST.fullmatch(digest) else None
        case _:
            return None


def text_of(value: Json) -> str:
    """Return a value as text: a text unchanged, any other value as JSON."""
    return value if isinstance(value, str) else canonical_json(value)
