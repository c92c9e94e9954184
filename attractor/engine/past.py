"""What a walk remembers of its stages for the preamble: the last ones, and counts of all.

Bounded: however long a run is, it costs a stage, the journal and the checkpoint the same.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.excerpts import shorten
from attractor.engine.fields import Fields

MOST_NOTES = 40
MOST_KEYS = 40
MOST_TOOLS = 8
LONGEST_WORDS = 240
LONGEST_NAME = 80

_ENGINES_OWN = frozenset({"current_node", "outcome", "preferred_label", "last_stage"})
_ENGINES_PREFIXES = ("graph.", "internal.", "stack.", "growth.")


@dataclass(frozen=True)
class StageNote:
    """One visit that has ended: what it came to, in few words, and which tools it called."""

    node: str
    visit: int
    outcome: str
    words: str = ""
    thread: str = ""
    tools: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Past:
    """The last visits, how many ended in which way, and the context keys written last.

    `values` is how many keys of the context there are to tell of.
    """

    notes: tuple[StageNote, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    keys: tuple[str, ...] = ()
    values: int = 0

    @property
    def total(self) -> int:
        """How many visits have ended."""
        return sum(self.outcomes.values())


NOTHING_PAST = Past()


def is_told(key: str) -> bool:
    """Tell whether a context key is no bookkeeping of the engine's."""
    return key not in _ENGINES_OWN and not key.startswith(_ENGINES_PREFIXES)


def remember_keys(past: Past, written: Iterable[str], before: Collection[str]) -> Past:
    """Return the past with context keys that were written just now, over those of before."""
    # Sorted: what was read from the journal is, too.
    told = {key: None for key in sorted(written) if is_told(key)}
    if not told:
        return past
    older = [key for key in past.keys if key not in told]
    new = sum(key not in before for key in told)
    return changed(past, keys=(*older, *told)[-MOST_KEYS:], values=past.values + new)


def remember(past: Past, note: StageNote) -> Past:
    """Return the past with one more visit that has ended."""
    outcomes = {**past.outcomes, note.outcome: past.outcomes.get(note.outcome, 0) + 1}
    return changed(past, notes=(*past.notes, note)[-MOST_NOTES:], outcomes=outcomes)


def join_past(before: Past, branches: Iterable[Past]) -> Past:
    """Return the past of a walk with what its branches add to it.

    No conversation of a branch is gone on with by others, so their threads are not told.
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


def one_line(text: str, length: int) -> str:
    """Return the beginning of a text on one line, so that it cannot pass for anything else."""
    # Of a text without end only the beginning is looked at.
    return shorten(" ".join(text[: 8 * length].split()), length)


def both_ends(text: str, length: int) -> str:
    """Return the beginning and the end of a text on one line: of an output, either may tell."""
    whole = one_line(text, length)
    if len(text) <= length or not whole.endswith("…"):
        return whole
    end = " ".join(text[-4 * length :].split())[-length // 2 :]
    return f"{one_line(text, length - len(end))} {end}"


def past_to_record(past: Past) -> dict[str, Json]:
    """Return a past as the checkpoint has it."""
    return {
        "notes": [
            {
                "node": note.node,
                "visit": note.visit,
                "outcome": note.outcome,
                "words": note.words,
                "thread": note.thread,
                "tools": dict(note.tools),
            }
            for note in past.notes
        ],
        "outcomes": dict(past.outcomes),
        "keys": list(past.keys),
        "values": past.values,
    }


def past_from_record(fields: Fields) -> Past:
    """Read a past back."""
    outcomes = fields.inner("outcomes")
    return Past(
        notes=tuple(_note(one) for one in fields.inners("notes")),
        outcomes={name: outcomes.number(name) for name in outcomes.all()},
        keys=fields.texts("keys"),
        values=fields.number("values"),
    )


def tools_from_record(fields: Fields) -> dict[str, int]:
    """Read back how often each tool was called."""
    return {name: fields.number(name) for name in fields.all()}


def _note(fields: Fields) -> StageNote:
    return StageNote(
        fields.text("node"),
        fields.number("visit"),
        fields.text("outcome"),
        fields.text("words"),
        fields.text("thread"),
        tools_from_record(fields.inner("tools")),
    )
