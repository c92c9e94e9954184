"""Works out what a file becomes when the hunks of a patch are applied to it."""

import re
from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.errors import PatchMismatch
from attractor.agent.patch_matching import find_lines
from attractor.agent.patches import Hunk, HunkLine, Mark

NOTHING_CHANGED = "nothing was changed; read the file and send the patch anew"

_EMPTY = HunkLine(Mark.KEEP, "")


def apply_hunks(text: str, hunks: Sequence[Hunk], *, path: str) -> str:
    """Return a file's text with the hunks applied, in the order in which they stand in the file."""
    file = _File(text)
    place = 0
    for number, hunk in enumerate(hunks, 1):
        place = _apply_hunk(file, hunk, place, f"{path}, hunk {number}")
    return file.text()


class _File:
    """A text as lines that keep their line ends."""

    def __init__(self, text: str) -> None:
        # Only "\n" ends a line: str.splitlines would break at form feeds and the like.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self._newline = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
        self._ends_whole = not text or text.endswith("\n")

    def new_line(self, text: str) -> str:
        return text + self._newline

    def text(self) -> str:
        ended = [line if line.endswith("\n") else line + self._newline for line in self.lines]
        text = "".join(ended)
        return text if self._ends_whole else text.removesuffix(self._newline)


def _apply_hunk(file: _File, hunk: Hunk, start: int, where: str) -> int:
    """Change the file and return the line behind the change."""
    place = _find_hints(file.lines, hunk, start, where)
    found = _find_hunk(file.lines, hunk, place)
    if found is None and hunk.lines[-1] == _EMPTY:
        # Models put an empty line between two hunks, which reads as a line of the first.
        hunk = replace(hunk, lines=hunk.lines[:-1])
        found = _find_hunk(file.lines, hunk, place)
    if found is None:
        raise _not_found(hunk, place, where)
    changed: list[str] = []
    line = found
    for one in hunk.lines:
        if one.mark is Mark.ADD:
            changed.append(file.new_line(one.text))
            continue
        if one.mark is Mark.KEEP:
            # The file's own line, not the patch's: they may differ in what is forgiven.
            changed.append(file.lines[line])
        line += 1
    file.lines[found:line] = changed
    return found + len(changed)


def _find_hints(lines: Sequence[str], hunk: Hunk, start: int, where: str) -> int:
    for hint in hunk.hints:
        found = find_lines(lines, [hint], start=start)
        if found is None:
            raise PatchMismatch(
                f"{where}: no line {hint!r} from line {start + 1} on", hint=NOTHING_CHANGED
            )
        start = found
    return start


def _find_hunk(lines: Sequence[str], hunk: Hunk, start: int) -> int | None:
    if hunk.expected:
        return find_lines(lines, hunk.expected, start=start, at_end=hunk.at_end_of_file)
    # Nothing but new lines: below the hint, or at the end.
    return start + 1 if hunk.hints and not hunk.at_end_of_file else len(lines)


def _not_found(hunk: Hunk, start: int, where: str) -> PatchMismatch:
    place = "at the end of the file" if hunk.at_end_of_file else f"from line {start + 1} on"
    expected = "\n".join(hunk.expected)
    return PatchMismatch(
        f"{where}: these lines are not there {place}:\n{expected}",
        hint=f"{NOTHING_CHANGED}; hunks stand in the order of the file",
    )
