"""Hash chains over JSON records: whoever changes, drops, doubles or moves a line is found out.

Every line carries its number (`seq`), the hash of the line before (`prev`) and its own hash, taken
over the canonical JSON of everything else in it. With a key it carries a seal as well, an HMAC of
its hash: anybody can check the chain, whoever has the key can check the seals, and nobody else can
make a line that verifies. Without seals anybody can rewrite a chain from some line to the end; only
a head kept elsewhere tells. The same holds for lines cut off at the end: what is left is a good
chain, and only an `expected` head shows that it was longer.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, NotCanonical, UsageError
from attractor.base.files import file_error
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
class ChainCheck:
    """The head that the good lines lead to, the flaw behind them, and the seals nobody checked."""

    head: Head
    flaw: Flaw | None
    unchecked_seals: int = 0


@dataclass(frozen=True)
class _Sealed:
    """A line taken apart."""

    record: dict[str, Json]
    head: Head
    before: Head
    seal: str | None


def seal(
    record: JsonObject, head: Head, *, key: bytes | None = None, is_plain: bool = False
) -> Link:
    """Make a record into the line that follows a head; plain JSON need not be checked again."""
    for name in _RESERVED:
        if name in record:
            raise UsageError(f"a record to be chained must not have {name!r} of its own")
    if key == b"":
        raise UsageError("an empty key seals nothing", hint="hand in 32 random bytes")
    return _link(
        record,
        head,
        lambda digest: None if key is None else _seal_of(digest, key),
        is_plain=is_plain,
    )


def verify(
    lines: Iterable[bytes],
    *,
    start: Head = GENESIS,
    expected: Head | None = None,
    key: bytes | None = None,
) -> ChainCheck:
    """Find the first bad line among lines without their newlines.

    The chain must pass through the `expected` head; more lines may follow, and the verdict's head
    says where it ends. Without a key seals are counted, not checked.
    """
    return _verify((line + b"\n" for line in lines), start, expected, key)


def verify_file(
    path: str | Path,
    *,
    offset: int = 0,
    start: Head = GENESIS,
    expected: Head | None = None,
    key: bytes | None = None,
) -> ChainCheck:
    """Find the first bad line of a file, from a byte and the head before it; see `verify`."""
    try:
        with Path(path).open("rb") as file:
            file.seek(offset)
            return _verify(file, start, expected, key)
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def require_intact(verdict: ChainCheck, what: str) -> None:
    """Raise ChainBroken with the first bad line, if there is one."""
    if flaw := verdict.flaw:
        hint = "nothing from that line on can be trusted: compare it with a copy"
        raise ChainBroken(f"{what}: line {flaw.line} {flaw.reason}", hint=hint)


def _verify(
    lines: Iterable[bytes], start: Head, expected: Head | None, key: bytes | None
) -> ChainCheck:
    if expected and start.seq >= expected.seq and start != expected:
        return ChainCheck(start, Flaw(1, "does not begin behind the line expected before it"))
    rest = iter(lines)
    head, number, unchecked = start, 0, 0
    for number, raw in enumerate(rest, 1):
        sealed = _follow(raw, head, key)
        if sealed is None:
            return ChainCheck(head, Flaw(number, _reason(raw, head, key, rest)), unchecked)
        if expected and sealed.head.seq == expected.seq and sealed.head != expected:
            replaced = Flaw(number, "is not the line expected here: it was replaced")
            return ChainCheck(head, replaced, unchecked)
        head = sealed.head
        unchecked += key is None and sealed.seal is not None
    if expected and head.seq < expected.seq:
        lost = f"is missing: the chain went on to number {expected.seq}"
        return ChainCheck(head, Flaw(number + 1, lost), unchecked)
    return ChainCheck(head, None, unchecked)


def _follow(raw: bytes, head: Head, key: bytes | None) -> _Sealed | None:
    """Take a line apart, if linking its record to a head anew gives the very same bytes."""
    sealed = _take_apart(raw)
    if not isinstance(sealed, _Sealed):
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
    record: JsonObject, head: Head, seal_of: Callable[[str], str | None], *, is_plain: bool
) -> Link:
    """Make a record into a line; what is hashed is the line without its hash and its seal."""
    body: JsonObject = {**record, "seq": head.seq + 1, "prev": head.hash}
    before, behind = canonical_members(body, "hash", is_plain=is_plain)
    digest = content_hash(canonical_object(before, behind).encode())
    sealed = seal_of(digest)
    if sealed is not None:
        _, between, end = canonical_members(body, "hash", "seal", is_plain=True)
        behind = ",".join(filter(None, [between, f'"seal":{canonical_json(sealed)}', end]))
    line = canonical_object(before, f'"hash":"{digest}"', behind)
    return Link(line, Head(head.seq + 1, digest))


def _seal_of(digest: str, key: bytes) -> str:
    return hmac.digest(key, digest.encode(), "sha256").hex()


def _take_apart(raw: bytes) -> _Sealed | str:
    """Take a line apart, or say why it is none."""
    try:
        record = parse_json(raw)
    except NotCanonical as fault:
        return f"is not a line of JSON ({fault})"
    match record:
        case {"seq": int(seq), "prev": str(prev), "hash": str(own), **rest}:
            own_seal = rest.pop("seal", None)
            if own_seal is None or isinstance(own_seal, str):
                return _Sealed(rest, Head(seq, own), Head(seq - 1, prev), own_seal)
            return "has a seal that is not a text"
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
