"""The output of a command: in order of arrival, and the line that says why the command failed."""

import re
from collections.abc import Iterable, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.base.processes import DEFAULT_LIMIT, BoundedOutput, OutputChunk
from attractor.engine.truncation import one_line

STDOUT, STDERR = "stdout.txt", "stderr.txt"
"""The names of the files with the output of an ended command, in the stage folder."""

OUTPUT = "output.txt"
"""The name of the file with both outputs in order of arrival, if the command used both."""

LONGEST_WORDS = 200

LINES_BELOW = 5

LONGEST_LINE = 300

LONGEST_BEGUN = 64 * 1024

_COLORS = late_pattern(r"\x1b\[[0-9;?]*[A-Za-z]")

# Words of test runners and compilers, with case.
_WORDS = late_pattern(
    r"\bnot ok\b|\bFAIL(?:ED)?\b|error:|error\[|\[ERROR\]|panic:|Error:"
    r"|panicked at|error TS\d+:|^\s*✖ "
)
_ZERO = late_pattern(
    r"\b0 (?:errors?|fail(?:ed|ures?)?)\b|\b(?:errors?|fail(?:ed|ures?)?)\W{0,4}0\s*(?:[,;)\]]|$)",
    re.IGNORECASE,
)
_PASSED = late_pattern(r"^\s*(?:ok|PASS|PASSED|✓|✔|--- PASS:)(?:\s|$)|\.\.\. ok$")
# Lines that only repeat that something failed.
_BARE = late_pattern(
    r"^FAIL(?:ED)?$|^FAIL\t|^\[ERROR\](?: COMPILATION ERROR :)?$|to rerun pass `"
    r"|^make(?:\[\d+\])?: \*\*\*"
)
_COMMENT = late_pattern(r"^(?:#|//)")
_SPENT = late_pattern(
    r"^\W*(?:\[\w+\]\s*)?(?:(?:real|user|sys|done|finished|ran|took|time|total time|duration\w*"
    r"|elapsed)\b.*)?\d[\d.:m ]*\s?(?:ms|s|secs?|seconds?|m|min)\b\W*$",
    re.IGNORECASE,
)
# A duration at the end of a line differs between equal failures.
_DURATION = late_pattern(r"\s*(?:Time elapsed: [\d.]+ s\b|\([\d.]+ ?m?s\)$|\[[\d.]+ ?m?s\]$)")
_GO_TEST = late_pattern(r"^\s*--- FAIL: \S+")
_GO_PLACE = late_pattern(r"^\s+(?P<words>\S+\.go:\d+: .+)")


class OutputInOrder:
    """Both outputs of a command, whole lines in order of arrival; head and tail are kept."""

    def __init__(self) -> None:
        self._kept = BoundedOutput(DEFAULT_LIMIT)
        self._begun = {"stdout": "", "stderr": ""}

    def add(self, chunk: OutputChunk) -> None:
        """Add the next part of the output."""
        # A line of one output is not interrupted by the other output, unless it is very long.
        whole, newline, rest = (self._begun[chunk.stream] + chunk.text).rpartition("\n")
        if len(rest) > LONGEST_BEGUN:
            newline, rest = newline + rest, ""
        self._kept.add(f"{whole}{newline}".encode("utf-8", "replace"))
        self._begun[chunk.stream] = rest

    def text(self) -> str:
        """Return the output at its end."""
        for rest in filter(None, self._begun.values()):
            self._kept.add(f"{rest}\n".encode("utf-8", "replace"))
        return self._kept.kept().text


@dataclass(frozen=True)
class FailureLine:
    """The line of an output that says why a command failed: as printed, and as the reason."""

    line: str
    words: str


def find_failure(stdout: str, stderr: str) -> FailureLine | None:
    """Return the first line with a word of a failure, of standard output before standard error.

    Without such a line, return the last informative line, of standard error before standard output.
    """
    outputs = [plain_lines(stdout), plain_lines(stderr)]
    for lines in outputs:
        if number := first_failure(lines):
            reason = _reason(lines, number - 1)
            return FailureLine(lines[number - 1], one_line(reason, LONGEST_WORDS))
    for is_wanted in (_is_informative, bool):
        for lines in reversed(outputs):
            for line in reversed(lines):
                if is_wanted(line):
                    return FailureLine(line, one_line(_DURATION.sub("", line), LONGEST_WORDS))
    return None


def first_failure(lines: Iterable[str]) -> int | None:
    """Return the number of the first line with a word of a failure, counted from 1."""
    numbered = enumerate(lines, 1)
    return next((at for at, line in numbered if _is_failure(line[:LONGEST_LINE])), None)


def lines_below(output: str, line: str) -> Sequence[str]:
    """Return the lines below a line of an output.

    If fewer than five lines follow, lines above it are returned too.
    """
    lines = plain_lines(output)
    at = lines.index(line) if line in lines else len(lines)
    below = lines[at + 1 : at + 1 + LINES_BELOW]
    return [*lines[max(0, at - LINES_BELOW + len(below)) : at], *below]


def plain_lines(output: str) -> Sequence[str]:
    """Return the lines of an output that are not blank, shortened, without colours."""
    lines = (line.rstrip()[:LONGEST_LINE] for line in _COLORS.sub("", output).split("\n"))
    return [line for line in lines if line]


def _is_failure(line: str) -> bool:
    is_other = _ZERO.search(line) or _PASSED.search(line) or _BARE.search(line)
    return not is_other and _WORDS.search(line) is not None


def _is_informative(line: str) -> bool:
    return not any(pattern.search(line) for pattern in (_COMMENT, _SPENT, _BARE))


def _reason(lines: Sequence[str], at: int) -> str:
    """Return the line at a position; of a failed test of Go, with place and words."""
    found = _GO_TEST.match(lines[at])
    if found is None:
        return _DURATION.sub("", lines[at])
    test = found[0]
    for line in lines[at + 1 :]:
        if inner := _GO_TEST.match(line):
            test = inner[0]
        elif place := _GO_PLACE.match(line):
            return f"{test} ({place['words']})"
        else:
            break
    return test
