"""Hash chains over JSON records: whoever changes, drops, doubles or moves a line is found out.

Every line carries its number (`seq`), the hash of the line before (`prev`) and its own hash, taken
over the canonical JSON of everything else in it. With a key the hash is an HMAC: without the key
nobody can make a line that verifies. Without a key anybody can rewrite a chain from some line to
the end; only a head kept elsewhere tells. The same holds for lines cut off at the end: what is left
is a good chain, and only an `expected` head shows that it was longer.
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from attractor.base.atomic_files import file_trouble
from attractor.base.canonical import Json, JsonObject, canonical_json, content_hash, parse_json
from attractor.base.errors import ChainBroken, NotCanonical, UsageError

_RESERVED = ("seq", "prev", "hash")


@dataclass(frozen=True)
class Head:
    """Where a chain ends: the number and the hash of its last line."""

    seq: int
    hash: str


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True)
class Link:
    """A record made into a line, and the head of the chain that ends with it."""

    line: str
    head: Head


@dataclass(frozen=True)
class Flaw:
    """The first bad line, counted from 1, and what is wrong with it."""

    line: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The head that the good lines lead to, and the flaw behind them, if there is one."""

    head: Head
    flaw: Flaw | None


@dataclass(frozen=True)
class _Sealed:
    """A line taken apart."""

    record: dict[str, Json]
    head: Head
    before: Head


def seal(record: JsonObject, head: Head, *, key: bytes | None = None) -> Link:
    """Make a record into the line that follows a head."""
    for name in _RESERVED:
        if name in record:
            raise UsageError(f"a record to be chained must not have {name!r} of its own")
    body: JsonObject = {**record, "seq": head.seq + 1, "prev": head.hash}
    signed = _signature(canonical_json(body).encode(), key)
    return Link(canonical_json({**body, "hash": signed}), Head(head.seq + 1, signed))


def verify(
    lines: Iterable[bytes],
    *,
    start: Head = GENESIS,
    expected: Head | None = None,
    key: bytes | None = None,
) -> Verdict:
    """Find the first bad line among lines without their newlines.

    The chain must pass through the `expected` head; more lines may follow, and the verdict's head
    says where it ends.
    """
    return _verify((line + b"\n" for line in lines), start, expected, key)


def verify_file(
    path: str | Path,
    *,
    offset: int = 0,
    start: Head = GENESIS,
    expected: Head | None = None,
    key: bytes | None = None,
) -> Verdict:
    """Find the first bad line of a file, from a byte and the head before it; see `verify`."""
    try:
        with Path(path).open("rb") as file:
            file.seek(offset)
            return _verify(file, start, expected, key)
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause


def require_intact(verdict: Verdict, what: str) -> None:
    """Raise ChainBroken with the first bad line, if there is one."""
    if flaw := verdict.flaw:
        hint = "nothing from that line on can be trusted: compare it with a copy"
        raise ChainBroken(f"{what}: line {flaw.line} {flaw.reason}", hint=hint)


def _verify(
    lines: Iterable[bytes], start: Head, expected: Head | None, key: bytes | None
) -> Verdict:
    if expected and start.seq >= expected.seq and start != expected:
        return Verdict(start, Flaw(1, "does not begin behind the line expected before it"))
    rest = iter(lines)
    head, number = start, 0
    for number, raw in enumerate(rest, 1):
        following = _follow(raw, head, key)
        if following is None:
            return Verdict(head, Flaw(number, _reason(raw, head, key, rest)))
        if expected and following.seq == expected.seq and following != expected:
            return Verdict(head, Flaw(number, "is not the line expected here: it was replaced"))
        head = following
    if expected and head.seq < expected.seq:
        lost = f"is missing: the chain went on to number {expected.seq}"
        return Verdict(head, Flaw(number + 1, lost))
    return Verdict(head, None)


def _follow(raw: bytes, head: Head, key: bytes | None) -> Head | None:
    """Return the head after a line, if sealing its record anew gives the very same bytes."""
    sealed = _take_apart(raw)
    if not isinstance(sealed, _Sealed):
        return None
    try:
        link = seal(sealed.record, head, key=key)
    except NotCanonical:
        return None
    return link.head if hmac.compare_digest(link.line.encode() + b"\n", raw) else None


def _take_apart(raw: bytes) -> _Sealed | str:
    """Take a line apart, or say why it is none."""
    try:
        record = parse_json(raw)
    except NotCanonical as fault:
        return f"is not a line of JSON ({fault})"
    match record:
        case {"seq": int(seq), "prev": str(prev), "hash": str(own), **rest}:
            return _Sealed(rest, Head(seq, own), Head(seq - 1, prev))
        case _:
            return "is not a record with seq, prev and hash"


def _reason(raw: bytes, head: Head, key: bytes | None, rest: Iterator[bytes]) -> str:
    """Say what is wrong with a line that does not follow a head."""
    if not raw.endswith(b"\n"):
        return "is torn: it has no newline at its end"
    sealed = _take_apart(raw)
    if isinstance(sealed, str):
        return sealed
    if _follow(raw, sealed.before, key) is None:
        return "was changed, or sealed with another key"
    wanted = head.seq + 1
    if sealed.head.seq < wanted:
        return f"is doubled: it is number {sealed.head.seq} again"
    if sealed.head.seq == wanted:
        return "does not follow from the line before: one of the two was replaced"
    moved = any(_number_of(line) == wanted for line in rest)
    what = "out of place: number {} comes later" if moved else "not the next: number {} is missing"
    return f"is {what.format(wanted)} (this is {sealed.head.seq})"


def _number_of(raw: bytes) -> int | None:
    sealed = _take_apart(raw)
    return sealed.head.seq if isinstance(sealed, _Sealed) else None


def _signature(body: bytes, key: bytes | None) -> str:
    return content_hash(body) if key is None else hmac.digest(key, body, "sha256").hex()
