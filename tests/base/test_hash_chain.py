import hashlib
import hmac
import random
import tracemalloc
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import ChainBroken, ExitCode, FileError, NotCanonical, UsageError
from attractor.base.hash_chain import (
    GENESIS,
    ChainCheck,
    ChainHead,
    require_intact,
    seal,
    verify,
    verify_file,
)
from attractor.base.json import Json, parse_json
from tests.counts import count
from tests.tables import table

LENGTH = 1_000
KEY = b"a key in the state folder"
RECORDS = st.lists(st.dictionaries(st.text().map("k{}".format), st.integers() | st.text()))


def chained(
    records: list[dict[str, Json]], key: bytes | None = None
) -> tuple[list[bytes], ChainHead]:
    head, lines = GENESIS, list[bytes]()
    for record in records:
        link = seal(record, head, key=key)
        lines.append(link.line.encode())
        head = link.head
    return lines, head


@cache
def long_chain(key: bytes | None = None) -> tuple[tuple[bytes, ...], ChainHead]:
    records: list[dict[str, Json]] = [
        {"type": "StageCompleted", "data": {"number": number, "words": "äöü\n" * (number % 7)}}
        for number in range(1, LENGTH + 1)
    ]
    lines, head = chained(records, key)
    return tuple(lines), head


def record_of(line: bytes) -> dict[str, Json]:
    record = cast("dict[str, Json]", parse_json(line))
    own = ("seq", "prev", "hash", "seal")
    return {name: value for name, value in record.items() if name not in own}


def flaw_of(verdict: ChainCheck) -> tuple[int, str]:
    """Return the number of the first bad line, and its fault."""
    assert verdict.flaw
    return verdict.flaw.line, verdict.flaw.reason


def flaw_in(lines: list[bytes], *, expected: ChainHead | None = None) -> tuple[int, str]:
    verdict = verify(lines, expected=expected)
    line, reason = flaw_of(verdict)
    assert verdict.head.seq == line - 1
    return line, reason


def write(path: Path, lines: list[bytes] | tuple[bytes, ...]) -> bytes:
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(content)
    return content


def trials(*, ci: int, full: int, seed: str) -> list[random.Random]:
    return [random.Random(f"{seed} {number}") for number in range(count(ci=ci, full=full))]


@given(RECORDS, st.none() | st.binary(min_size=1))
def test_sealed_chain_verifies_and_keeps_its_records(
    records: list[dict[str, Json]], key: bytes | None
) -> None:
    lines, head = chained(records, key)
    assert verify(lines, expected=head, key=key) == ChainCheck(head, None)
    assert head.seq == len(records)
    assert [record_of(line) for line in lines] == records


def test_hash_and_seal_can_be_computed_independently() -> None:
    zeros = "0" * 64
    body = f'{{"a":"ä","b":1,"prev":"{zeros}","seq":1}}'.encode()
    digest = hashlib.sha256(body).hexdigest()
    proof = hmac.new(KEY, digest.encode(), "sha256").hexdigest()
    for key, sealed in [(None, ""), (KEY, f'"seal":"{proof}",')]:
        link = seal({"b": 1, "a": "ä"}, GENESIS, key=key)
        assert link.head == ChainHead(1, digest)
        assert link.line == f'{{"a":"ä","b":1,"hash":"{digest}","prev":"{zeros}",{sealed}"seq":1}}'


@table("name", ["seq", "prev", "hash", "seal"])
def test_reserved_field_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"must not contain '{name}'"):
        seal({name: 1}, GENESIS)


def test_invalid_json_and_an_empty_key_are_refused() -> None:
    with pytest.raises(UsageError, match="empty key for seals"):
        seal({}, GENESIS, key=b"")
    with pytest.raises(NotCanonical, match="a lone surrogate"):
        seal({"data": ["\ud800"]}, GENESIS, is_plain=True)
    with pytest.raises(NotCanonical, match=r"at data\[0\]$"):
        seal({"data": [float("nan")]}, GENESIS)


def test_file_is_verified_from_any_line(tmp_path: Path) -> None:
    lines, head = long_chain()
    write(tmp_path / "chain", lines)
    assert verify_file(tmp_path / "chain", expected=head) == ChainCheck(head, None)
    (tmp_path / "empty").write_bytes(b"")
    assert verify_file(tmp_path / "empty") == ChainCheck(GENESIS, None)
    start = verify(lines[:600]).head
    offset = sum(len(line) + 1 for line in lines[:600])
    assert verify_file(tmp_path / "chain", offset=offset, start=start) == ChainCheck(head, None)
    assert flaw_of(verify_file(tmp_path / "chain", offset=offset + 1, start=start))[0] == 1
    assert flaw_of(verify_file(tmp_path / "chain", offset=offset))[0] == 1
    with pytest.raises(FileError, match="missing"):
        verify_file(tmp_path / "missing")


def test_any_flipped_bit_is_found_in_its_line(tmp_path: Path) -> None:
    lines, head = chained([{"text": "é"}, {"n": 10}, {}])
    content = write(tmp_path / "chain", lines)
    for at in range(len(content)):
        for bit in random.Random(at).sample(range(8), count(ci=2, full=8)):
            spoilt = bytearray(content)
            spoilt[at] ^= 1 << bit
            (tmp_path / "chain").write_bytes(spoilt)
            verdict = verify_file(tmp_path / "chain", expected=head)
            assert flaw_of(verdict)[0] == content[:at].count(b"\n") + 1
            assert verdict.head.seq == content[:at].count(b"\n")


def test_deleted_line_is_found_at_its_place() -> None:
    lines, head = long_chain()
    for trial in trials(ci=10, full=500, seed="delete"):
        gone = trial.randrange(LENGTH - 1)
        line, reason = flaw_in([*lines[:gone], *lines[gone + 1 :]])
        assert line == gone + 1
        assert reason == f"is number {gone + 2}: number {gone + 1} is missing"
    assert verify(lines[:-3]).flaw is None
    line, reason = flaw_in(list(lines[:-3]), expected=head)
    assert (line, reason) == (LENGTH - 2, f"is missing: the chain had {LENGTH} lines")
    assert flaw_in([], expected=head)[0] == 1


def test_duplicate_line_is_found_at_its_second_place() -> None:
    lines, _ = long_chain()
    for trial in trials(ci=10, full=500, seed="double"):
        twice = trial.randrange(LENGTH)
        again = trial.choice([twice + 1, trial.randrange(twice, LENGTH) + 1])
        line, reason = flaw_in([*lines[:again], lines[twice], *lines[again:]])
        assert (line, reason) == (again + 1, f"is a duplicate of number {twice + 1}")


def test_swapped_lines_are_found_at_the_first_one() -> None:
    lines, _ = long_chain()
    for trial in trials(ci=10, full=500, seed="swap"):
        first, second = sorted(trial.sample(range(LENGTH), 2))
        swapped = list(lines)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        line, reason = flaw_in(swapped)
        assert line == first + 1
        assert reason.startswith(f"was moved: number {first + 1} comes later")


def test_file_with_an_incomplete_line_is_corrupt_there(tmp_path: Path) -> None:
    lines, _ = chained([{"a": 1}, {"b": 2}])
    content = write(tmp_path / "chain", lines)
    for end in range(len(lines[0]) + 2, len(content)):
        (tmp_path / "chain").write_bytes(content[:end])
        flaw = flaw_of(verify_file(tmp_path / "chain"))
        assert flaw == (2, "is incomplete: it has no newline at its end")


def test_line_with_other_bytes_is_found() -> None:
    for old, new in (
        (b'"a":1,', b'"a": 1,'),
        (b'"a":1,', b'"a":1.0,'),
        (b'"a":1,', b'"a":1,"a":1,'),
        (b'"text":"A"', b'"text":"\\u0041"'),
        (b'{"a":1,', b'{"A":1,'),
        (b'"seq":2', b'"seq":3'),
        (b'"seq":2', b'"seq":"2"'),
        (b'"seq":2', b'"seq":true'),
        (b'"seq":2', b'"seq":' + b"9" * 4300),
        (b'"prev":"', b'"prev":"\xc3\xa4'),
        (b'"hash":"', b'"hash":"\xc3\xa4'),
        (b'"hash"', b'"Hash"'),
        (b'"a":1', b'"a":' + b"[" * 200 + b"]" * 200),
        (b"}", b"}\r"),
        (b"}", b"}\n"),
        (b"{", b" {"),
        (b"{", b"[{"),
    ):
        lines, _ = chained([{"a": 1, "text": "A"}] * 3)
        assert old in lines[1]
        assert flaw_in([lines[0], lines[1].replace(old, new, 1), lines[2]])[0] == 2


@given(st.lists(st.binary()))
def test_random_lines_are_corrupt(lines: list[bytes]) -> None:
    verdict = verify(lines)
    assert (verdict.flaw is None) == (not lines)


def test_forged_line_is_found_at_the_line_after_it() -> None:
    lines, head = chained([{"n": n} for n in range(5)])
    before = verify(lines[:2]).head
    lines[2] = seal({"n": "forged"}, before).line.encode()
    line, reason = flaw_in(lines)
    assert line == 4
    assert reason == "does not follow the previous line: one of the two lines was replaced"
    assert verify(lines[:3]).flaw is None
    assert flaw_in(lines[:3], expected=head)[0] == 4


def test_rewritten_chain_is_found_by_the_expected_head() -> None:
    _, head = chained([{"n": n} for n in range(5)])
    forged, _ = chained([{"n": n * 2} for n in range(5)])
    assert verify(forged).flaw is None
    line, reason = flaw_in(forged, expected=head)
    assert (line, reason) == (5, "was replaced: it is not the expected line")


def test_chain_may_continue_after_the_expected_head() -> None:
    lines, head = chained([{"n": n} for n in range(5)])
    early = verify(lines[:3]).head
    assert verify(lines, expected=early) == ChainCheck(head, None)
    assert verify(lines[3:], start=early, expected=early) == ChainCheck(head, None)
    assert verify([], start=early, expected=early) == ChainCheck(early, None)
    for wrong in (ChainHead(3, "0" * 64), ChainHead(2, "0" * 64), GENESIS):
        assert flaw_of(verify(lines[3:], start=early, expected=wrong))[0] == 1


def test_only_the_right_key_verifies_seals() -> None:
    keyed, head = long_chain(KEY)
    open_lines, _ = long_chain()
    assert verify(keyed, expected=head, key=KEY) == ChainCheck(head, None)
    for lines, key in [(keyed, b"another key"), (keyed, b""), (open_lines, KEY)]:
        line, reason = flaw_of(verify(lines, key=key))
        assert (line, reason) == (1, "was changed, or sealed with another key")


def test_seals_are_counted_without_the_key() -> None:
    keyed, head = long_chain(KEY)
    assert verify(keyed, expected=head) == ChainCheck(head, None, unchecked_seals=len(keyed))
    assert verify(long_chain()[0]).unchecked_seals == 0
    changed = [*keyed[:499], keyed[499].replace(b'"data":', b'"dada":'), *keyed[500:]]
    verdict = verify(changed)
    assert flaw_of(verdict)[0] == 500
    assert verdict.unchecked_seals == 499


def test_invalid_or_removed_seal_is_found() -> None:
    lines, _ = chained([{"n": 1}], KEY)
    record = parse_json(lines[0])
    assert isinstance(record, dict)
    proof = str(record["seal"])
    for other in [b"1", b"null", b"[]"]:
        assert flaw_of(verify([lines[0].replace(b'"%s"' % proof.encode(), other)]))[0] == 1
    bare = lines[0].replace(b'"seal":"%s",' % proof.encode(), b"")
    assert verify([bare]).flaw is None
    assert flaw_of(verify([bare], key=KEY))[0] == 1


def test_corrupt_chain_is_raised_with_its_line() -> None:
    lines, _ = chained([{"n": n} for n in range(3)])
    require_intact(verify(lines), "the ledger")
    with pytest.raises(ChainBroken) as broken:
        require_intact(verify([lines[0], lines[2]]), "the ledger")
    assert broken.value.message == ("the ledger: line 2 is number 3: number 2 is missing")
    assert broken.value.exit_code is ExitCode.BROKEN
    assert broken.value.hint


def test_verification_of_a_large_file_needs_little_memory(tmp_path: Path) -> None:
    lines, head = chained([{"text": "x" * 50_000}] * 100)
    write(tmp_path / "chain", lines)
    tracemalloc.start()
    try:
        assert verify_file(tmp_path / "chain", expected=head) == ChainCheck(head, None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
