"""Reasons with the same cause, and with different ones."""

import random
import re

from hypothesis import given, strategies as st

from attractor.records.diagnosis.causes import Cause, cause_of, normalize
from tests.tables import table

EQUAL = [
    (
        "tool_command ended with exit code 1: 3 tests failed",
        "tool_command ended with exit code 1: 17 tests failed",
    ),
    ("1 test failed", "12 tests failed"),
    ("1,204 of 9,000 lines", "7 of 12 lines"),
    ("1/1 test failed", "12/40 tests failed"),
    ("no folder src/a/b", "no folder lib/c/"),
    ("coverage 81.5%", "coverage 7%"),
    ("no file /home/ann/a.txt", "no file /srv/b/c.txt"),
    ("no file ~/a/b", "no file ./c"),
    ("no file 'src/a/b.py'", "no file 'lib/c.py'"),
    ("a.py:12:5: E501 line too long", "src/b.py:7: E501 line too long"),
    (
        "main.rs:3: error[E0308]: mismatched types",
        "src/lib.rs:44:9: error[E0308]: mismatched types",
    ),
    (r"no file C:\a\b.txt", r"no file D:\c.txt"),
    ("AssertionError in tests/test_a.py, line 3", "AssertionError in tests/test_b.py, line 90"),
    ("timed out after 30s", "timed out after 15m"),
    ("timed out after 1.5 seconds", "timed out after 90 minutes"),
    ("since 2026-01-31T09:30:00Z", "since 2026-11-02T10:00:01.25+01:00"),
    ("at 12:30:05 it stopped", "at 9:01 PM it stopped"),
    ("stalled: no activity for 300 s", "stalled: no activity for 5 min"),
    ("run 01JZ0000000000000000000000 is gone", "run 01K2ABCDEFGHJKMNPQRSTVWXY9 is gone"),
    ("commit 1a2b3c4 is unknown", "commit 99ffee00aa1122 is unknown"),
    ("request req_011CSabcdef9 failed", "request req_9zzAAbbcc81 failed"),
    ("object at 0x7f001", "object at 0xdeadbeef"),
    (
        "id 123e4567-e89b-12d3-a456-426614174000 is taken",
        "id 00000000-e89b-42d3-b456-000000000001 is taken",
    ),
    ("cannot open https://a.example/x?y=1", "cannot open http://localhost:8080/"),
    ("test_17 failed", "test_2 failed"),
    ("max retries exceeded: broken", "broken"),
    ("broken \n  twice", "broken twice"),
    ("port 8080 is in use", "port 41231 is in use"),
    ("signal 9 after 3 calls", "signal 9 after 41 calls"),
    (
        "the budget max_tokens is exhausted: 10000 of 9500",
        "the budget max_tokens is exhausted: 8 of 5",
    ),
    ("HTTP/1.1 404 for /a", "HTTP 404 for /b/c"),
]

DIFFERENT = [
    ("tool_command ended with exit code 1", "tool_command ended with exit code 2"),
    ("exit status 3", "exit status 4"),
    ("exited with 1", "exited with 127"),
    ("killed by signal 9", "killed by signal 15"),
    ("[Errno 13] denied", "[Errno 2] denied"),
    ("HTTP 404", "HTTP 410"),
    ("status code: 404", "status code: 422"),
    ("API error 400", "API error 404"),
    ("it answered 404", "it answered 409"),
    ("TypeError: x", "ValueError: x"),
    ("error[E0308]: x", "error[E0499]: x"),
    ("a.py:1: F401 unused", "a.py:1: E501 unused"),
    ("SQLITE_BUSY", "SQLITE_FULL"),
    ("AssertionError", "AssertionError: 3 tests failed"),
    ("no verdict", "no report"),
    ("stalled: no activity for 5 min", "timed out after 5 min"),
    ("unknown model a", "unknown model b"),
    ("unknown model 'openai/gpt-9'", "unknown model 'anthropic/x'"),
    ("expected and/or", "expected either/or"),
    ("the budget max_tokens is exhausted: 8 of 5", "the budget max_cost_usd is exhausted: 8 of 5"),
    ("no file /a", "cannot write /a"),
    ("openai answered 401: bad key", "openai answered 500: bad key"),
    ("openai answered 401: bad key", "anthropic answered 401: bad key"),
    ("openai answered 429: slow down", "openai answered 503: slow down"),
    ("bash: line 1: cargo: command not found", "bash: line 1: npm: command not found"),
    ("No space left on device", "Cannot allocate memory"),
    ("the sandbox did not start", "the sandbox ended too early"),
    ("expected true", "expected false"),
    ("merge conflict in 3 files", "merge conflict in 3 folders"),
    ("Please run /login", "Rate limit reached"),
    ("return code 1", "return code -9"),
    ("key 'a' is missing", "key 'b' is missing"),
]


@table("reason, other", EQUAL)
def test_reasons_of_one_cause_are_equal(reason: str, other: str) -> None:
    assert normalize(reason) == normalize(other)
    assert cause_of(reason, "verdict", "p", "n") == cause_of(other, "verdict", "p", "n")


@table("reason, other", DIFFERENT)
def test_reasons_of_two_causes_differ(reason: str, other: str) -> None:
    assert cause_of(reason, "retryable", "p", "n") != cause_of(other, "retryable", "p", "n")


def test_tables_are_complete() -> None:
    assert (len(EQUAL), len(DIFFERENT)) == (31, 32)
    own = [normalize(reason) for reason, _ in EQUAL]
    assert len(set(own)) >= len(EQUAL) - 3


@table(
    "reason, failure_class, name",
    [
        (
            "tool_command ended with exit code 1: cp: No space left on device",
            "verdict",
            "disk full",
        ),
        ("[Errno 28] No space left on device: '/x/y'", "", "disk full"),
        ("ServerError: openai answered 503: try later", "retryable", "openai answered 503"),
        ("API Error: 401 unauthorized", "terminal", "a provider answered 401"),
        ("429 Too Many Requests", "", "a provider answered 429"),
        ("Invalid API key - please run /login", "", "login"),
        (
            "tool_command ended with exit code 127: command not found: cargo",
            "verdict",
            "missing program cargo",
        ),
        (
            "exit code 1: bash: ./x: cannot execute: required file not found",
            "verdict",
            "missing program ./x",
        ),
        ("receipt ended with exit code 2: sh: 1: foo: not found", "verdict", "missing program foo"),
        ("the sandbox did not start: bwrap: no", "", "the sandbox did not start: bwrap: no"),
    ],
)
def test_cause_of_the_machine_or_a_provider_names_no_stage(
    reason: str, failure_class: str, name: str
) -> None:
    assert cause_of(reason, failure_class, "p", "n") == Cause(name)
    assert cause_of(reason, failure_class, "q", "m").is_of_machine


def test_status_in_a_verdict_is_a_cause_of_the_work() -> None:
    cause = cause_of("expected HTTP 200, got HTTP 500", "verdict", "p", "n")
    assert cause == Cause("expected HTTP 200, got HTTP 500", "verdict", "p", "n")


_VALUES = {
    "PATH": ["/a", "/home/ann/x.py", "./b/c", "~/d"],
    "TIME": ["2026-01-31T09:30:00Z", "12:30", "5 min", "300s"],
    "ID": ["01JZ0000000000000000000000", "1a2b3c4d", "req_011CSabcdef9"],
    "COUNT": ["1", "17", "1,204", "3.5"],
}
_WORDS = ["TypeError", "exit code 3", "HTTP 404", "failed", "broken", "in", *_VALUES]


@given(st.lists(st.sampled_from(_WORDS), max_size=12), st.randoms(use_true_random=False))
def test_paths_times_ids_and_counts_change_no_cause(
    words: list[str], randomness: random.Random
) -> None:
    def fill() -> str:
        kinds = "|".join(_VALUES)
        return re.sub(kinds, lambda kind: randomness.choice(_VALUES[kind[0]]), " ".join(words))

    filled = fill()
    assert normalize(filled) == normalize(fill())
    for kept in ("TypeError", "exit code 3", "HTTP 404"):
        assert (kept in words) == (kept in normalize(filled))
