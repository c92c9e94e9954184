"""Writes the difference between two trees of files as a patch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import count

Tree = Mapping[str, str]


@dataclass(frozen=True)
class Style:
    """Format of a patch: number of context lines, hints, end-of-file marks."""

    context: int = 3
    hints: bool = False
    marks_end: bool = False


@dataclass(frozen=True)
class Edit:
    """Change of a tree: new text by path (None removes a file), and new path of each moved file."""

    texts: Mapping[str, str | None]
    moves: Mapping[str, str] = field(default_factory=dict[str, str])

    def apply(self, tree: Tree) -> Tree:
        after = {**tree, **self.texts}
        moved = {self.moves.get(path, path): text for path, text in after.items()}
        return {path: text for path, text in moved.items() if text is not None}


def write_patch(tree: Tree, edit: Edit, style: Style) -> str:
    lines: list[str] = []
    for path in {**edit.texts, **edit.moves}:
        before, after = tree.get(path), {**tree, **edit.texts}.get(path)
        if before is None:
            added = (after or "").split("\n")[:-1]
            lines += [f"*** Add File: {path}", *(f"+{line}" for line in added)]
        elif after is None:
            lines += [f"*** Delete File: {path}"]
        else:
            lines += [f"*** Update File: {path}"]
            lines += [f"*** Move to: {edit.moves[path]}"] if path in edit.moves else []
            lines += write_hunks(lines_of(before), lines_of(after), style)
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def lines_of(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def write_hunks(before: Sequence[str], after: Sequence[str], style: Style) -> list[str]:
    """Write hunks with enough context that each one matches at its own place first."""
    for context in count(style.context):
        hunks = _hunks(before, after, style, context)
        if hunks is not None:
            return hunks
    raise AssertionError("with the whole file as context there is one place")


def _hunks(
    before: Sequence[str], after: Sequence[str], style: Style, context: int
) -> list[str] | None:
    written: list[str] = []
    start = 0
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(context):
        place, end = group[0][1], group[-1][2]
        expected = before[place:end]
        is_first = _first(before, expected, start) == place
        if not is_first if expected else place != len(before):
            return None
        above = before[place - 1] if place > start and style.hints else ""
        is_hint = above.strip() and expected and _first(before, [above], start) == place - 1
        written.append(f"@@ {above}" if is_hint else "@@")
        for tag, first, last, low, high in group:
            kept = tag == "equal"
            written += [f"{' ' if kept else '-'}{line}" for line in before[first:last]]
            written += [] if kept else [f"+{line}" for line in after[low:high]]
        if style.marks_end and expected and end == len(before):
            written.append("*** End of File")
        start = end
    return written


def _first(lines: Sequence[str], wanted: Sequence[str], start: int) -> int:
    places = range(start, len(lines) - len(wanted) + 1)
    return next(place for place in places if lines[place : place + len(wanted)] == wanted)
