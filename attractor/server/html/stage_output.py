"""The printed output of a stage as its page shows it: a part of its lines, and searches in it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.escapes import without_escapes
from attractor.engine.stage.command_output import OUTPUT, STDERR, STDOUT, first_failure
from attractor.engine.stage.folder import TAIL
from attractor.language.source.text import visible
from attractor.records.stage_output import read_output
from attractor.records.timeline import StageAttempt
from attractor.server.html.ansi import PLAIN, Run, render, runs

LONGEST = 32_000
"""The characters of an output that a page shows, with those of the numbers of its lines."""

LONGEST_LINE = 4000
"""The characters of a line that a page shows, with those of its escape sequences."""

QUOTED = 10
"""The number of lines that the banner of a failed run quotes."""

FIRST_ERROR = "error"
"""The place of the first line that names an error."""

OUTPUT_FILES = (STDERR, STDOUT, TAIL)
_TITLES = {
    "": "Both streams",
    "stderr": "Standard error",
    "stdout": "Standard output",
    TAIL: "Last output",
}
_NUMBER = 60
"""The characters of the number and the elements of a line."""

_STYLED = 10_000
"""The characters before a part of the output in which its first colour is looked for."""


@dataclass(frozen=True)
class LogPlace:
    """What a page shows of an output: a stream (default: both), the line with a number or the
    first error (default: the end), and the lines with a text.
    """

    stream: str = ""
    q: str = ""
    line: str = ""

    @property
    def query(self) -> str:
        """The parameters of an address, after others."""
        given = {"stream": self.stream, "q": self.q, "line": self.line}
        return "".join(f"&{urlencode({name: value})}" for name, value in given.items() if value)


AT_THE_END = LogPlace()


@dataclass(frozen=True)
class LogLine:
    """A line of an output with its number, counted from 1."""

    number: int
    content: Markup


@dataclass(frozen=True)
class Log:
    """A part of an output. `current`: the number of the line that was asked for, or 0.

    `hits`: the numbers of the lines with the text of the search. `streams`: the titles of the
    streams that can be chosen. `is_tail`: only the last lines of the command are known.
    """

    title: str
    place: LogPlace
    streams: Mapping[str, str]
    lines: Sequence[LogLine]
    total: int
    current: int
    hits: Sequence[int]
    is_tail: bool
    is_ordered: bool

    @property
    def earlier(self) -> int:
        """The line at which the page shows what is before this part; 0 at the beginning."""
        return self.lines[0].number if self.lines[0].number > 1 else 0

    @property
    def later(self) -> int:
        """The line at which the page shows what is after this part; 0 at the end."""
        return self.lines[-1].number if self.lines[-1].number < self.total else 0

    @property
    def lacks_error(self) -> bool:
        """Whether the first error was asked for in vain."""
        return self.place.line == FIRST_ERROR and not self.current

    def hit(self, step: int) -> int:
        """Return the next line with the text of the search (-1: the previous one), in a circle."""
        if self.current in self.hits:
            return self.hits[(self.hits.index(self.current) + step) % len(self.hits)]
        beyond = [hit for hit in self.hits if (hit - self.current) * step > 0]
        return beyond[min(step, 0)] if beyond else self.hits[min(step, 0)]


def read_log(attempt: StageAttempt, place: LogPlace = AT_THE_END) -> Log | None:
    """Return a part of the output of an attempt; None if nothing was printed."""
    text = read_output(attempt, place.stream) or ""
    if not text.strip():
        return None
    lines = _lines(text)
    plain = _lines(without_escapes(text)) if place.q or place.line else ()
    words = place.q.lower()
    hits = [number for number, line in enumerate(plain, 1) if words and words in line.lower()]
    current = _current(plain, place.line) or (hits[0] if hits and not place.line else 0)
    sizes = {file.name: file.bytes for file in attempt.files()}
    printed = [name for name in ("stderr", "stdout") if sizes.get(f"{name}.txt")]
    is_tail = not {STDOUT, STDERR} & sizes.keys()
    stream = printed[0] if len(printed) == 1 else place.stream
    return Log(
        title=_TITLES[TAIL if is_tail else stream],
        place=place,
        streams={name: _TITLES[name] for name in ("", *printed)} if len(printed) > 1 else {},
        lines=_part(lines, current, place.q),
        total=len(lines),
        current=current,
        hits=hits,
        is_tail=is_tail,
        is_ordered=OUTPUT in sizes or bool(stream),
    )


def _lines(text: str) -> Sequence[str]:
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _current(lines: Sequence[str], line: str) -> int:
    """Return the number of the line that was asked for; 0 without one."""
    if line == FIRST_ERROR:
        return first_failure(lines) or 0
    return min(int(line or 0), len(lines))


def _part(lines: Sequence[str], current: int, words: str) -> Sequence[LogLine]:
    """Return the lines around the current one; without one, the last lines."""
    at = current - 1 if current else len(lines)
    before = _fitting(reversed(lines[:at]), LONGEST // 2 if current else LONGEST)
    begin = at - before
    end = at + max(1, _fitting(lines[at:], LONGEST // 2)) if current else at
    sought = re.compile(re.escape(words), re.IGNORECASE) if words else None
    *_, (_, style) = runs("\n".join(lines[:begin])[-_STYLED:], PLAIN)
    found: list[LogLine] = []
    for number, line in enumerate(lines[begin:end], begin + 1):
        pieces = list(runs(line[:LONGEST_LINE], style))
        style = pieces[-1].style
        if len(line) > LONGEST_LINE:
            pieces.append(Run(f" [{len(line) - LONGEST_LINE} more characters]", PLAIN))
        found.append(LogLine(number, render(pieces, sought)))
    return found


def _fitting(lines: Iterable[str], room: int) -> int:
    """Return how many lines fit into a number of characters."""
    number = 0
    for number, line in enumerate(lines, 1):
        room -= min(len(line), LONGEST_LINE) + _NUMBER
        if room < 0:
            return number - 1
    return number


def last_lines(attempt: StageAttempt) -> Sequence[str]:
    """Return the last lines that an attempt printed: of standard error, and before them of
    standard output.
    """
    texts = [read_output(attempt, name) for name in ("stdout", "stderr")]
    # A canceled command has its last lines only.
    if texts == [None, None]:
        texts = [read_output(attempt)]
    ends = (without_escapes(text[-LONGEST:]).splitlines() for text in texts if text)
    printed = [visible(line.expandtabs(4)) for lines in ends for line in lines if line.strip()]
    return printed[-QUOTED:]
