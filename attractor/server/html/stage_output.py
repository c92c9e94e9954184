"""The printed output of a stage: its last lines while it runs, both streams afterwards."""

import re
from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.stage.folder import TAIL
from attractor.language.drawing.run_overlay import StageState
from attractor.language.source.text import visible
from attractor.pipeline.runs.stages import StageAttempt

LONGEST = 32_000
"""The bytes of a stream that a page shows: its end."""

QUOTED = 10
"""The number of lines that the banner of a failed run quotes."""

STDERR, STDOUT = "stderr.txt", "stdout.txt"
OUTPUT_FILES = (STDERR, STDOUT, TAIL)
_TITLES = {STDERR: "Standard error", STDOUT: "Standard output", TAIL: "Last output"}
_COLORS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Output:
    """The end of what a stage printed to a stream; `is_cut` if the file has more before."""

    file: str
    text: str
    is_cut: bool = False

    @property
    def title(self) -> str:
        """The title of the stream for people."""
        return _TITLES[self.file]


def read_output(one: StageAttempt) -> Sequence[Output]:
    """Return the output of an attempt, as far as it exists, without colours."""
    files = {each.name for each in one.files()}
    ended = [name for name in (STDERR, STDOUT) if name in files]
    # A canceled command has its last lines only.
    names = [TAIL] if one.state is StageState.RUNNING or not ended else ended
    found = [_end_of(one, name) for name in names if name in files]
    return [each for each in found if each.text.strip()]


def _end_of(one: StageAttempt, name: str) -> Output:
    content = one.read_file(name, most=LONGEST + 1, from_end=True)
    is_cut = len(content) > LONGEST
    # From the beginning of a line on.
    shown = content[-LONGEST:].partition(b"\n")[2] or content[-LONGEST:] if is_cut else content
    text = _COLORS.sub("", shown.decode("utf-8", "replace")).replace("\r\n", "\n")
    return Output(name, "\n".join(map(visible, text.expandtabs(4).split("\n"))), is_cut)


def last_lines(one: StageAttempt) -> Sequence[str]:
    """Return the last lines that an attempt printed: of standard error, and before them of
    standard output.
    """
    lines: list[str] = []
    for each in read_output(one):
        printed = [line for line in each.text.split("\n") if line.strip()]
        lines = [*printed[-(QUOTED - len(lines)) :], *lines] if len(lines) < QUOTED else lines
    return lines
