"""Turns git's wildcards into regular expressions, byte for byte as git itself reads them."""

import re
from collections.abc import Set

_NEVER = re.compile(rb"(?!)")
_SPECIAL = re.compile(rb"[*?\[\\]")
_ALL = frozenset(range(1, 256))
_SLASH = frozenset(b"/")


def _ascii(wanted: str) -> frozenset[int]:
    return frozenset(wanted.encode())


_LOWER = _ascii("abcdefghijklmnopqrstuvwxyz")
_UPPER = _ascii("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGIT = _ascii("0123456789")
_GRAPH = frozenset(range(33, 127))
_CLASSES = {
    b"alnum": _LOWER | _UPPER | _DIGIT,
    b"alpha": _LOWER | _UPPER,
    b"blank": _ascii(" \t"),
    b"cntrl": frozenset(range(1, 32)) | {127},
    b"digit": _DIGIT,
    b"graph": _GRAPH,
    b"lower": _LOWER,
    b"print": _GRAPH | {32},
    b"punct": _GRAPH - _LOWER - _UPPER - _DIGIT,
    b"space": _ascii(" \t\n\v\f\r"),
    b"upper": _UPPER,
    b"xdigit": _DIGIT | _ascii("abcdefABCDEF"),
}


class _NoMatch(Exception):
    """The pattern is malformed: git lets it match nothing."""


def compile_wildmatch(pattern: bytes) -> re.Pattern[bytes]:
    """Return the expression that matches whole paths as git's pattern does."""
    special = _SPECIAL.search(pattern)
    if special is None:
        return re.compile(re.escape(pattern), re.DOTALL)
    # git compares the letters before the first wildcard by themselves, and so takes `a**` for the
    # beginning of a pattern, where two stars cross slashes.
    start = special.start()
    try:
        rest = _translate(pattern[start:])
    except _NoMatch:
        return _NEVER
    return re.compile(re.escape(pattern[:start]) + rest, re.DOTALL)


def _translate(pattern: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while at < len(pattern):
        part, at = _translate_at(pattern, at)
        parts.append(part)
    return b"".join(parts)


def _translate_at(pattern: bytes, at: int) -> tuple[bytes, int]:
    match pattern[at : at + 1]:
        case b"*":
            return _stars(pattern, at)
        case b"?":
            return b"[^/]", at + 1
        case b"[":
            return _bracket(pattern, at + 1)
        case b"\\":
            if at + 1 == len(pattern):
                raise _NoMatch
            return re.escape(pattern[at + 1 : at + 2]), at + 2
        case letter:
            return re.escape(letter), at + 1


def _stars(pattern: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1
    while pattern[end : end + 1] == b"*":
        end += 1
    begins = at == 0 or pattern[at - 1 : at] == b"/"
    if end - at == 1 or not begins:
        return b"[^/]*", end
    if pattern[end : end + 1] == b"/":
        return b"(?:.*/)?", end + 1
    crosses = end == len(pattern) or pattern[end : end + 2] == b"\\/"
    return (b".*" if crosses else b"[^/]*"), end


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Read a bracket's content up to its end; at is behind the opening one."""
    negated = pattern[at : at + 1] in (b"!", b"^") and pattern[at : at + 1] != b""
    at += negated
    members: set[int] = set()
    first = at
    before: int | None = None
    while at == first or pattern[at : at + 1] != b"]":
        found, before, at = _member(pattern, at, before)
        members |= found
    return _one_of((_ALL - members if negated else members) - _SLASH), at + 1


def _member(pattern: bytes, at: int, before: int | None) -> tuple[Set[int], int | None, int]:
    """Read one member of a bracket: what it adds, what a range may begin with, where it ends."""
    letter = pattern[at : at + 1]
    after = pattern[at + 1 : at + 2]
    if letter == b"-" and before is not None and after not in (b"", b"]"):
        last, end = _literal(pattern, at + 1)
        return frozenset(range(before, last + 1)), None, end
    if letter == b"[" and after == b":":
        named = _named_class(pattern, at + 2)
        if named is not None:
            return named[0], None, named[1]
    value, end = _literal(pattern, at)
    return {value}, value, end


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    if pattern[at : at + 1] == b"\\":
        at += 1
    if at >= len(pattern):
        raise _NoMatch
    return pattern[at], at + 1


def _named_class(pattern: bytes, at: int) -> tuple[Set[int], int] | None:
    """Read `[:name:]` from its name on; None when it is no such thing after all."""
    close = pattern.find(b"]", at)
    if close < 0:
        raise _NoMatch
    if close - at < 1 or pattern[close - 1 : close] != b":":
        return None
    name = pattern[at : close - 1]
    if name not in _CLASSES:
        raise _NoMatch
    return _CLASSES[name], close + 1


def _one_of(members: Set[int]) -> bytes:
    if not members:
        return _NEVER.pattern
    return b"[" + b"".join(b"\\x%02x" % value for value in sorted(members)) + b"]"
