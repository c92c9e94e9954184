"""Keeps the line ends of a pipeline that is written anew: editors and git may count on them."""

import re

from attractor.language.source.text import TEXT_OR_COMMENT

_CRLF = "\r\n"
_BARE = re.compile(r"(?<!\r)\n")
_PIECE = re.compile(rf"{TEXT_OR_COMMENT.pattern}|\r?\n", re.DOTALL)


def with_line_ends_of(before: str, text: str) -> str:
    """Return a pipeline that ends its lines with CRLF where every line of the one before it does.

    Within a text in quotes a line end is part of what it says, so it stays as it is.
    """
    is_crlf = _CRLF in before and not _BARE.search(before)
    return _PIECE.sub(_with_crlf, text) if is_crlf else text


def has_mixed_line_ends(text: str) -> bool:
    """Tell whether some lines end with CRLF and some do not."""
    return _CRLF in text and _BARE.search(text) is not None


def _with_crlf(found: re.Match[str]) -> str:
    piece = found[0]
    return piece if piece.startswith('"') else _BARE.sub(_CRLF, piece)
