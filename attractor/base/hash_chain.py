"""Hash chains, which reveal changed lines.

A hash chain over JSON records reveals changed, missing, duplicate and moved lines. Each line has
its number (`seq`), the hash of the previous line (`prev`) and its own hash over the canonical JSON
of its other fields. With a key, each line also has a seal, an HMAC of the hash. The chain can be
checked without the key; the seals can only be checked with the key. A chain without seals can be
rewritten from any line on, and lines can be removed from the end of any chain. Both are only
detected by comparison with an `expected` head that is stored elsewhere.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, NotCanonical, UsageError
from attractor.base.files import file_error, open_regular
from attractor.base.json import (
    Json,
    JsonObject,
    canonical_json,
    canonical_members,
    canonical_object,
    content_hash,
    parse_json,
)

_RESERVED = ("seq", "prev", "hash", "seal")


@dataclass(frozen=True)
class ChainHead:
    """The end of a chain: number and hash of its last line."""

    seq: int
    hash: str


GENESIS = ChainHead(0, "0" * 64)


@dataclass(frozen=True)
class ChainLink:
    """A record as a line of a chain, and the head after this line."""

    line: str
    head: ChainHead


@dataclass(frozen=True)
class ChainFlaw:
    """The first corrupt line, counted from 1, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True)
class ChainCheck:
    """The head after the valid lines, the first flaw, and the number of unchecked seals."""

    head: ChainHead
    flaw: ChainFlaw | None
    unchecked_seals: int = 0


@dataclass(frozen=True)
class ParsedLine:
    """A line of a chain: its record, the heads after and before the line, and its seal."""

    record: dict[str, Json]
    head: ChainHead
    before: ChainHead
    seal: str | None


Keep = Callable[[ParsedLine, bytes], object]
"""Type of a function that is called with a valid line, parsed and as bytes without its newline."""


def seal(
    record: JsonObject, head: ChainHead, *, key: bytes | None = None, is_plain: bool = False
) -> ChainLink:
    """Return a record as the next line after a head; `is_plain` skips the check of the JSON."""
    for name in _RESERVED:
        if name in record:
            raise UsageError(f"a chained record must not contain {name!r}")
    if key == b"":
        raise UsageError("empty key for seals", hint="pass 32 random bytes")
    return _link(
        record,
        head,
        lambda digest: None if key is None else _seal_of(digest, key),
        is_plain=is_plain,
    )


def verify(
    lines: Iterable[bytes],
    *,
    start: ChainHead = GENESIS,
    expected: ChainHead | None = None,
    key: bytes | None = None,
    keep: Keep | None = None,
) -> ChainCheck:
    """Find the first corrupt line among lines without newlines.

    The chain must contain the `expected` head; more lines may follow. Without a key, seals are
    counted but not checked. `keep` is called with each valid line, up to the first corrupt one.
    """
    return _verify((line + b"\n" for line in lines), start, expected, key, keep)


def verify_file(
    path: str | Path,
    *,
    offset: int = 0,
    start: ChainHead = GENESIS,
    expected: ChainHead | None = None,
    key: bytes | None = None,
) -> ChainCheck:
    """Find the first corrupt line of a file, from an offset and the head before the offset."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            return _verify(file, start, expected, key)
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def parse_intact(line: bytes, *, key: bytes | None = None) -> ParsedLine | None:
    """Parse a line whose own hash and seal are valid, wherever the line is; otherwise, None."""
    parsed = _parse_line(line)
    if not isinstance(parsed, ParsedLine):
        return None
    return _follow(line + b"\n", parsed.before, key)


def require_intact(check: ChainCheck, file: str) -> None:
    """If a line is corrupt, raise ChainBroken with the first corrupt line."""
    if flaw := check.flaw:
        hint = "do not trust this line and later ones: compare them with a copy"
        raise ChainBroken(f"{file}: line {flaw.line} {flaw.reason}", hint=hint)


def _verify(
    lines: Iterable[bytes],
    start: ChainHead,
    expected: ChainHead | None,
    key: bytes | None,
    keep: Keep | None = None,
) -> ChainCheck:
    if expected and start.seq >= expected.seq and start != expected:
        return ChainCheck(start, ChainFlaw(1, "does not follow the expected line"))
    rest = iter(lines)
    head, number, unchecked = start, 0, 0
    for number, raw in enumerate(rest, 1):
        sealed = _follow(raw, head, key)
        if sealed is None:
            return ChainCheck(head, ChainFlaw(number, _reason(raw, head, key, rest)), unchecked)
        if expected and sealed.head.seq == expected.seq and sealed.head != expected:
            replaced = ChainFlaw(number, "was replaced: it is not the expected line")
            return ChainCheck(head, replaced, unchecked)
        head = sealed.head
        unchecked += key is None and sealed.seal is not None
        if keep:
            keep(sealed, raw[:-1])
    if expected and head.seq < expected.seq:
        missing = f"is missing: the chain had {expected.seq} lines"
        return ChainCheck(head, ChainFlaw(number + 1, missing), unchecked)
    return ChainCheck(head, None, unchecked)


def _follow(raw: bytes, head: ChainHead, key: bytes | None) -> ParsedLine | None:
    """Parse a line; the line is valid if sealing the record again gives the same bytes."""
    sealed = _parse_line(raw)
    if not isinstance(sealed, ParsedLine):
        return None
    try:
        link = _link(
            sealed.record,
            head,
            lambda own: sealed.seal if key is None else _seal_of(own, key),
            is_plain=True,
        )
    except NotCanonical:
        return None
    return sealed if hmac.compare_digest(link.line.encode() + b"\n", raw) else None


def _link(
    record: JsonObject, head: ChainHead, seal_of: Callable[[str], str | None], *, is_plain: bool
) -> ChainLink:
    """Return a record as a line; the hash covers the line except for hash and seal."""
    body: JsonObject = {**record, "seq": head.seq + 1, "prev": head.hash}
    before, after = canonical_members(body, "hash", is_plain=is_plain)
    digest = content_hash(canonical_object(before, after).encode())
    sealed = seal_of(digest)
    if sealed is not None:
        _, between, end = canonical_members(body, "hash", "seal", is_plain=True)
        after = ",".join(filter(None, [between, f'"seal":{canonical_json(sealed)}', end]))
    line = canonical_object(before, f'"hash":"{digest}"', after)
    return ChainLink(line, ChainHead(head.seq + 1, digest))


def _seal_of(digest: str, key: bytes) -> str:
    return hmac.digest(key, digest.encode(), "sha256").hex()


def _parse_line(raw: bytes) -> ParsedLine | str:
    """Parse a line, or return why it is invalid."""
    try:
        record = parse_json(raw)
    except NotCanonical as fault:
        return f"is invalid JSON ({fault.message.removeprefix('invalid JSON: ')})"
    match record:
        case {"seq": int(seq), "prev": str(prev), "hash": str(own), **rest}:
            own_seal = rest.pop("seal", None)
            if own_seal is None or isinstance(own_seal, str):
                return ParsedLine(rest, ChainHead(seq, own), ChainHead(seq - 1, prev), own_seal)
            return "has an invalid seal"
        case _:
            return "lacks seq, prev or hash"


def _reason(raw: bytes, head: ChainHead, key: bytes | None, rest: Iterator[bytes]) -> str:
    """Return the reason why a line does not follow a head."""
    if not raw.endswith(b"\n"):
        return "is incomplete: it has no newline at its end"
    sealed = _parse_line(raw)
    if isinstance(sealed, str):
        return sealed
    if _follow(raw, sealed.before, key) is None:
        return "was changed, or sealed with another key"
    expected = head.seq + 1
    if sealed.head.seq < expected:
        return f"is a duplicate of number {sealed.head.seq}"
    if sealed.head.seq == expected:
        return "does not follow the previous line: one of the two lines was replaced"
    parsed = (_parse_line(line) for line in rest)
    if any(isinstance(line, ParsedLine) and line.head.seq == expected for line in parsed):
        return f"was moved: number {expected} comes later (this is {sealed.head.seq})"
    return f"is number {sealed.head.seq}: number {expected} is missing"
