"""The printed output of a stage: its last lines while it runs, both streams afterwards."""

import re
from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.stage.command_output import STDERR, STDOUT
from attractor.engine.stage.folder import TAIL
from attractor.language.drawing.run_overlay import StageState
from attractor.language.source.text import visible
from attractor.records.timeline import StageAttempt

LONGEST = 32_000
"""The bytes of a stream that a page shows: its end."""

QUOTED = 10
"""The number of lines that the banner of a failed run quotes."""

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


def read_output(attempt: StageAttempt) -> Sequence[Output]:
    """Return the output of an attempt, as far as it exists, without colours."""
    files = {file.name for file in attempt.files()}
    ended = [name for name in (STDERR, STDOUT) if name in files]
    # A canceled command has its last lines only.
    names = [TAIL] if attempt.state is StageState.RUNNING or not ended else ended
    found = [_end_of(attempt, name) for name in names if name in files]
    return [output for output in found if output.text.strip()]


def _end_of(attempt: StageAttempt, name: str) -> Output:
    content = attempt.read_file(name, most=LONGEST + 1, from_end=True)
    is_cut = len(content) > LONGEST
    # From the beginning of a line on.
    shown = content[-LONGEST:].partition(b"\n")[2] or content[-LONGEST:] if is_cut else content
    text = _COLORS.sub("", shown.decode("utf-8", "replace")).replace("\r\n", "\n")
    return Output(name, "\n".join(map(visible, text.expandtabs(4).split("\n"))), is_cut)


def last_lines(attempt: StageAttempt) -> Sequence[str]:
    """Return the last lines that an attempt printed: of standard error, and before them of
    standard output.
    """
    printed = (
        line for output in reversed(read_output(attempt)) for line in output.text.split("\n")
    )
    return [line for line in printed if line.strip()][-QUOTED:]
