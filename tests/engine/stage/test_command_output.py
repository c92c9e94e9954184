"""The line that says why a command failed, in recorded failures of real tools."""

import re
from pathlib import Path

from attractor.base.processes import OutputChunk
from attractor.engine.stage.command_output import OutputInOrder, find_failure, lines_below
from attractor.engine.state.attempts import signature
from tests.tables import table

RECORDED = Path(__file__).parent / "recorded_failures"
_RUN = re.compile(r"^=== run \d, (?P<stream>stdout|stderr), exit \d+\n", re.MULTILINE)


def recorded_runs(tool: str) -> list[tuple[str, str]]:
    """Return standard output and standard error of two equal failures of a tool."""
    _, *parts = _RUN.split((RECORDED / f"{tool}.txt").read_text())
    texts = parts[1::2]
    return [(texts[0], texts[1]), (texts[2], texts[3])]


def test_lines_of_both_outputs_are_kept_in_order_of_arrival() -> None:
    output = OutputInOrder()
    output.add(OutputChunk("stdout", "1\n2"))
    output.add(OutputChunk("stderr", "3\n"))
    output.add(OutputChunk("stdout", "2\n4"))
    output.add(OutputChunk("stderr", "5"))
    assert output.text() == "1\n3\n22\n4\n5\n"


def test_long_output_keeps_its_ends() -> None:
    output = OutputInOrder()
    for text in ("first\n", *(["x" * 100_000] * 20), "\nlast\n"):
        output.add(OutputChunk("stdout", text))
    kept = output.text()
    assert kept.startswith("first\n")
    assert kept.endswith("\nlast\n")
    assert "bytes omitted" in kept
    assert len(kept) < 1_100_000


@table(
    ("tool", "reason", "below"),
    [
        ("node", "not ok 2 - adds negative numbers", "error: |-"),
        ("node-spec", "✖ adds negative numbers", "-3 !== -4"),
        (
            "pytest",
            "FAILED test_sum.py::test_adds_negative_numbers - assert -3 == -4",
            "test_sum.py:10: AssertionError",
        ),
        ("go", "--- FAIL: TestNegative (sum_test.go:9: got -3, want -4)", "got -3, want -4"),
        ("go-build", "./sum_test.go:6:12: undefined: Add", "# example.com/sum"),
        (
            "gcc",
            "sum.c:6:20: error: ‘summ’ undeclared (first use in this function); "
            "did you mean ‘sum’?",
            'printf("%d\\n", summ);',
        ),
        ("cargo", "test tests::adds_negative_numbers ... FAILED", "panicked at src/lib.rs:16:9"),
        ("cargo-build", "error[E0308]: mismatched types", "--> src/lib.rs:2:5"),
        ("cargo-run", "thread 'main' (#) panicked at src/main.rs:3:34:", "no numbers"),
        ("jest", "FAIL ./sum.test.js", "✕ adds negative numbers"),
        (
            "tsc",
            "sum.ts(2,3): error TS2322: Type 'string' is not assignable to type 'number'.",
            "",
        ),
        (
            "maven",
            "[ERROR] addsNegativeNumbers(SumTest) <<< FAILURE!",
            "expected:<-4> but was:<-3>",
        ),
    ],
)
def test_recorded_failure_has_the_same_reason_each_time(tool: str, reason: str, below: str) -> None:
    signatures: set[str] = set()
    for stdout, stderr in recorded_runs(tool):
        found = find_failure(stdout, stderr)
        assert found is not None
        assert re.sub(r"\(\d+\)", "(#)", found.words) == reason
        lines = lines_below(stdout + stderr, found.line)
        assert below in "\n".join(lines)
        assert len(lines) <= 5
        signatures.add(signature(found.words))
    assert len(signatures) == 1


@table(
    ("output", "words"),
    [
        ("0 FAILED\n3 errors\n", "3 errors"),
        ("# FAIL:  0\nFAIL: sum.sh\n", "FAIL: sum.sh"),
        ("Tests run: 3, Errors: 0\nError: 0 is no index\n", "Error: 0 is no index"),
        ("ok 1 - prints error: on FAIL\nlast\n", "last"),
        ("\x1b[31mFA\x1b[0mIL\x1b[1m sum\x1b[0m\nafter\n", "FAIL sum"),
        ("FAILING\nfailed\nlast\n# duration_ms 12.5\nreal 0m0.5s\nDone in 0.5s.\n", "last"),
        ("Killed after 5s\n", "Killed after 5s"),
        ("sum: t.c:5: Assertion `x' failed.\nmake: *** [Makefile:2: test] Error 134\n",
         "sum: t.c:5: Assertion `x' failed."),
        ("# only a comment\n", "# only a comment"),
        ("panic: boom\n\tat x\n", "panic: boom"),
        ("--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/sub (0.01s)\n        a_test.go:3: no\n",
         "--- FAIL: TestA/sub (a_test.go:3: no)"),
        ("--- FAIL: TestA (0.00s)\npanic: boom [recovered]\n", "--- FAIL: TestA"),
    ],
)  # fmt: skip
def test_reason_is_the_first_line_with_a_word_of_failure_or_the_last_line(
    output: str, words: str
) -> None:
    for streams in ((output, ""), ("", output)):
        found = find_failure(*streams)
        assert found is not None
        assert " ".join(found.words.split()) == words


def test_output_without_lines_has_no_reason() -> None:
    assert find_failure("\n \n", "") is None


@table(("at", "lines"), [("2", "34567"), ("8", "45679"), ("9", "45678"), ("missing", "56789")])
def test_lines_above_stand_in_for_missing_lines_below(at: str, lines: str) -> None:
    assert "".join(lines_below("\n\n".join("123456789"), at)) == lines
