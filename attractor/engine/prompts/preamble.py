"""Writes the preamble of a stage, up to a maximum length, from the last stages and the context.

The same values give the same text. Parts that do not fit are counted, not listed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from attractor.base.amounts import number_of
from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.truncation import both_ends, find_reference, one_line, shorten, text_of
from attractor.language.graph.graph import Fidelity

MOST_NOTES = 40

MOST_KEYS = 40

MOST_TOOLS = 8

LONGEST_WORDS = 240

LONGEST_NAME = 80

_ENGINES_OWN = frozenset({"current_node", "outcome", "preferred_label", "last_stage"})

_ENGINES_PREFIXES = ("graph.", "internal.", "stack.", "growth.")


@dataclass(frozen=True)
class StageNote:
    """A visit that has ended: the outcome in a few words, and the number of calls of each tool."""

    node: str
    visit: int
    outcome: str
    words: str = ""
    thread: str = ""
    tools: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Past:
    """The past of a walk: last visits, number of visits by outcome, and newest context keys.

    `values` is the number of context keys that a preamble can list.
    """

    notes: tuple[StageNote, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    keys: tuple[str, ...] = ()
    values: int = 0

    @property
    def total(self) -> int:
        """The number of visits that have ended."""
        return sum(self.outcomes.values())


NOTHING_PAST = Past()


def is_listed(key: str) -> bool:
    """Return whether a preamble can list a context key; keys of the engine are never listed."""
    return key not in _ENGINES_OWN and not key.startswith(_ENGINES_PREFIXES)


def remember_keys(past: Past, written: Iterable[str], before: Collection[str]) -> Past:
    """Return the past with the context keys that were just written."""
    # Sorted, as they are when read from the journal.
    new_keys = {key: None for key in sorted(written) if is_listed(key)}
    if not new_keys:
        return past
    older = [key for key in past.keys if key not in new_keys]
    new = sum(key not in before for key in new_keys)
    return changed(past, keys=(*older, *new_keys)[-MOST_KEYS:], values=past.values + new)


def remember(past: Past, note: StageNote) -> Past:
    """Return the past with one more visit."""
    outcomes = {**past.outcomes, note.outcome: past.outcomes.get(note.outcome, 0) + 1}
    return changed(past, notes=(*past.notes, note)[-MOST_NOTES:], outcomes=outcomes)


def join_past(before: Past, branches: Iterable[Past]) -> Past:
    """Return the past of a walk, with the pasts of its branches added.

    The threads of branches are left out, because no conversation of a branch is continued.
    """
    outcomes, notes = Counter(before.outcomes), list(before.notes)
    for branch in branches:
        new = branch.total - before.total
        own = branch.notes[-new:] if new else ()
        notes += [changed(note, thread="") for note in own]
        outcomes.update(branch.outcomes)
        outcomes.subtract(before.outcomes)
    counted = {outcome: count for outcome, count in outcomes.items() if count}
    return changed(before, notes=tuple(notes[-MOST_NOTES:]), outcomes=counted)


HEADING = "# Earlier stages"

NEWS = "# Stages since your last turn"

TASK = "# Your task"

LONGEST_FEEDBACK = 40_000

_FEEDBACK = "feedback."

_LETTERS_PER_TOKEN = 4


# Tokens for the headings and for the counts of omitted parts.
_FRAME_TOKENS = 60


@dataclass(frozen=True)
class PreambleInput:
    """The input of a preamble: goal, run, past and context."""

    goal: str = ""
    run_id: str = ""
    past: Past = NOTHING_PAST
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class PreambleLimits:
    """The limits of a preamble: tokens in total, number of stages, number of values."""

    tokens: int
    stages: int = 0
    values: int = 0
    words: int = LONGEST_WORDS
    value: int = 0
    has_tools: bool = False


PREAMBLE_LIMITS: Mapping[Fidelity, PreambleLimits] = {
    Fidelity.TRUNCATE: PreambleLimits(200),
    Fidelity.COMPACT: PreambleLimits(1000, stages=20, values=20, words=160, value=160),
    Fidelity.SUMMARY_LOW: PreambleLimits(600, stages=3, values=3, words=120, value=80),
    Fidelity.SUMMARY_MEDIUM: PreambleLimits(1500, stages=15, values=20, value=240),
    Fidelity.SUMMARY_HIGH: PreambleLimits(3000, stages=40, values=40, value=800, has_tools=True),
}
"""The limits of each fidelity; `full` continues a conversation instead (attractor-spec 5.4)."""

_NEWS = PreambleLimits(1500, stages=20, values=8, value=400)


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text.

    Four ASCII characters are one token, every other character is one token.
    """
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return -(-plain // _LETTERS_PER_TOKEN) + len(text) - plain


def write_preamble(fidelity: Fidelity, remembered: PreambleInput) -> str:
    """Return the preamble for a new session, or an empty text without earlier stages."""
    measure = PREAMBLE_LIMITS[fidelity]
    past = remembered.past
    if fidelity is not Fidelity.TRUNCATE and not (past.total or past.keys):
        return ""
    room = _Room(measure.tokens - _FRAME_TOKENS)
    head = list(_head(remembered, measure, room))
    stages = _stages(past.notes, past.total, measure, room, share=0.6)
    values = _values(remembered, measure, room)
    feedback = _feedback(remembered.context) if measure.values else ()
    sections = [*_section(head), *_section(stages), *_section(feedback), *_section(values)]
    return "\n".join([HEADING, *sections]) if sections else ""


def write_news(thread: str, remembered: PreambleInput) -> str:
    """Return a text about the stages since the last stage of a thread.

    Without such stages, the text is empty.
    """
    notes, past = list[StageNote](), remembered.past
    for note in reversed(past.notes):
        if note.thread == thread:
            break
        notes.insert(0, note)
    if not notes:
        return ""
    is_all, room = len(notes) < len(past.notes), _Room(_NEWS.tokens - _FRAME_TOKENS)
    stages = _stages(notes, len(notes) if is_all else past.total, _NEWS, room, share=0.6)
    values = _values(remembered, _NEWS, room)
    return "\n".join([NEWS, *_section(stages), *_section(values)])


def prepend_preamble(preamble: str, prompt: str) -> str:
    """Return a prompt preceded by a preamble."""
    return f"{preamble}\n\n{TASK}\n\n{prompt}" if preamble else prompt


class _Room:
    """The remaining tokens of a preamble."""

    def __init__(self, tokens: int) -> None:
        self.left = tokens

    def takes(self, line: str, *, keep: int = 0) -> bool:
        """If at least `keep` tokens remain after a line, use the tokens of the line and return
        True.
        """
        size = estimate_tokens(line) + 1
        if size > self.left - keep:
            return False
        self.left -= size
        return True


def _head(remembered: PreambleInput, measure: PreambleLimits, room: _Room) -> Iterator[str]:
    """Yield the lines with the goal, the run and the number of stages."""
    if remembered.goal:
        yield _fitting("Goal: ", remembered.goal, min(room.left * 3 // 4, 400), room)
    if remembered.run_id:
        yield _fitting("Run: ", remembered.run_id, 20, room)
    if measure.stages and remembered.past.total:
        counts = remembered.past.outcomes
        counts_text = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        yield _fitting("Stages so far: ", f"{remembered.past.total} ({counts_text})", 60, room)


def _fitting(name: str, text: str, tokens: int, room: _Room) -> str:
    """Return a line, truncated to a number of tokens."""
    letters = max(tokens, 1) * _LETTERS_PER_TOKEN
    line = name + one_line(text, letters)
    if (size := estimate_tokens(line)) > tokens:
        line = name + one_line(text, max(letters * tokens // size, 1))
    room.left -= estimate_tokens(line) + 1
    return line


def _stages(
    notes: Sequence[StageNote], total: int, measure: PreambleLimits, room: _Room, *, share: float
) -> Sequence[str]:
    """Return lines for the last stages, as many as fit, latest stage last."""
    keep, lines = int(room.left * (1 - share)), list[str]()
    for note in reversed(notes[-measure.stages :] if measure.stages else ()):
        visit = f", visit {note.visit}" if note.visit > 1 else ""
        is_news = note.words not in ("", f"Stage completed: {note.node}")
        words = f": {one_line(note.words, measure.words)}" if is_news else ""
        line = f"- {one_line(note.node, LONGEST_NAME)} ({note.outcome}{visit}){words}"
        if measure.has_tools and note.tools:
            calls = ", ".join(f"{name} {count}x" for name, count in sorted(note.tools.items()))
            line = f"{line} [tools: {calls}]"
        if not room.takes(line, keep=keep):
            break
        lines.insert(0, line)
    left_out = total - len(lines)
    if left_out and measure.stages:
        lines.insert(0, f"- ... and {number_of(left_out, 'stage')} before")
    return lines


def _values(remembered: PreambleInput, measure: PreambleLimits, room: _Room) -> Sequence[str]:
    """Return lines for the values written last, as many as fit, latest value first."""
    keys, context = remembered.past.keys, remembered.context
    there = [
        key
        for key in reversed(keys)
        if context.get(key) is not None and not key.startswith(_FEEDBACK)
    ]
    lines: list[str] = []
    for key in there[: measure.values]:
        line = f"- {one_line(key, LONGEST_NAME)}: {_shown(context[key], measure.value)}"
        if not room.takes(line):
            break
        lines.append(line)
    told = sum(key.startswith(_FEEDBACK) for key in keys)
    left_out = remembered.past.values - told - len(lines)
    if lines and left_out:
        lines.append(f"- ... and {number_of(left_out, 'more value')}")
    return ["Context values, the newest first:", *lines] if lines else ()


def _feedback(context: Mapping[str, Json]) -> Sequence[str]:
    """Return the lines of the feedback with which a run began, whole: the run is to follow it.

    Lines are indented, so that no text of others imitates a heading.
    """
    lines = list[str]()
    for key in sorted(one for one in context if one.startswith(_FEEDBACK)):
        text = _shown(context[key], LONGEST_FEEDBACK, cut=shorten)
        first, *others = text.splitlines() or [""]
        lines += [f"- {one_line(key, LONGEST_NAME)}: {first}", *(f"    {one}" for one in others)]
    return ["Feedback on the run before:", *lines] if lines else ()


def _shown(value: Json, longest: int, *, cut: Callable[[str, int], str] = both_ends) -> str:
    reference = find_reference(value)
    if reference:
        return f"({reference.size} bytes, stored as an artifact)"
    return cut(text_of(value), longest)


def _section(lines: Sequence[str]) -> Sequence[str]:
    return ["", *lines] if lines else ()
