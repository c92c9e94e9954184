"""Statements of an answer, and the check of each against what the program computes."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.base.patterns import late_pattern
from attractor.base.records import write_fields


@dataclass(frozen=True)
class StatedFigure:
    """A number of an answer, and the query of the table of figures that gives it."""

    value: float
    query: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Cite:
    """Words that the event `seq` in the journal of a run contains."""

    run: str
    seq: int
    quote: str


@dataclass(frozen=True)
class Statement:
    """One claim of an answer with its evidence."""

    text: str
    figures: Sequence[StatedFigure] = ()
    cites: Sequence[Cite] = ()


@dataclass(frozen=True)
class Computed:
    """A figure that the program computed; a count has no `decimals`, and must be equal."""

    value: float
    unit: str
    sentence: str
    decimals: int | None = None

    def agrees(self, stated: float) -> bool:
        """Return whether a stated number is this one, as rounded as its unit allows."""
        if self.decimals is None:
            return stated == self.value
        return abs(stated - self.value) <= 0.5 * 10**-self.decimals + 1e-9


class ProofMark(StrEnum):
    """The result of a check."""

    CHECKED = "checked"
    SAID = "said by the model"
    STRUCK = "struck out"


@dataclass(frozen=True)
class CheckedFigure:
    """A stated number, with the right one and its sentence, or why it cannot be computed."""

    stated: StatedFigure
    mark: ProofMark
    right: Computed | None = None
    fault: str = ""

    @property
    def words(self) -> str:
        """The figure as the program computes it."""
        return self.right.sentence if self.right else self.fault


@dataclass(frozen=True)
class CheckedCite:
    """A cite, and why it is struck out, with the event as it is."""

    cite: Cite
    fault: str = ""
    event: str = ""

    @property
    def words(self) -> str:
        """The cite for people."""
        place = f"run {self.cite.run}, event {self.cite.seq}"
        if self.fault:
            return f"{place}: {self.fault}{f': {self.event}' if self.event else ''}"
        return f"{place}: {' '.join(self.cite.quote.split())}"


@dataclass(frozen=True)
class CheckedStatement:
    """A statement with its mark; `unproved` are the numbers of its text without a figure."""

    text: str
    mark: ProofMark
    figures: Sequence[CheckedFigure] = ()
    cites: Sequence[CheckedCite] = ()
    unproved: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return write_fields(self)


Compute = Callable[[Mapping[str, str]], Computed]
"""Type of a function that computes a query of the table; it refuses an invalid one."""

ReadEvent = Callable[[str, int], str]
"""Type of a function that returns the text of an event of a run; it refuses an unknown one."""


def check(statement: Statement, compute: Compute, read_event: ReadEvent) -> CheckedStatement:
    """Check a statement: a false figure or cite strikes it out."""
    figures = [check_figure(one, compute) for one in statement.figures]
    cites = [check_cite(one, read_event) for one in statement.cites]
    unproved = [*find_unproved(statement.text, figures, cites)]
    is_false = any(one.fault for one in cites) or any(
        one.mark is ProofMark.STRUCK for one in figures
    )
    is_proved = bool(figures or cites) and all(one.mark is ProofMark.CHECKED for one in figures)
    mark = (
        ProofMark.STRUCK
        if is_false
        else ProofMark.CHECKED
        if is_proved and not unproved
        else ProofMark.SAID
    )
    return CheckedStatement(statement.text, mark, figures, cites, unproved)


def check_figure(stated: StatedFigure, compute: Compute) -> CheckedFigure:
    """Compare a stated number with the one that its query gives."""
    if not stated.query:
        return CheckedFigure(stated, ProofMark.SAID, fault=f"{stated.value:g} has no query")
    try:
        right = compute(stated.query)
    except AttractorError as fault:
        return CheckedFigure(stated, ProofMark.STRUCK, fault=fault.in_one_line)
    mark = ProofMark.CHECKED if right.agrees(stated.value) else ProofMark.STRUCK
    return CheckedFigure(stated, mark, right)


def check_cite(cite: Cite, read_event: ReadEvent) -> CheckedCite:
    """Find the quoted words in their event, as whole words; only white space may differ."""
    quote = " ".join(cite.quote.split())
    try:
        event = " ".join(read_event(cite.run, cite.seq).split())
    except AttractorError as fault:
        return CheckedCite(cite, fault.in_one_line)
    if not quote:
        return CheckedCite(cite, "the quote is empty", event)
    if re.search(rf"(?<!\w){re.escape(quote)}(?!\w)", event):
        return CheckedCite(cite)
    return CheckedCite(cite, "the event does not contain these words, but", event)


_NUMBER = late_pattern(r"(?<![\w.,])\d+(?:[.,]\d+)*\w*%?")
_PLAIN = late_pattern(r"(\d+(?:\.\d+)?)s?")
_RUN_ID = late_pattern(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")
_COUNTS: Mapping[str, float] = {
    "zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "twenty": 20, "thirty": 30,
    "forty": 40, "fifty": 50, "hundred": 100, "thousand": 1000,
}  # fmt: skip
_IN_WORDS = late_pattern(rf"\b(?:{'|'.join(_COUNTS)})\b", re.IGNORECASE)


def find_unproved(
    text: str, figures: Sequence[CheckedFigure], cites: Sequence[CheckedCite]
) -> Iterator[str]:
    """Yield the numbers of a text that are no figure, and in no quote that stands.

    A false figure is struck out for itself.
    """
    text = unicodedata.normalize("NFKC", text)
    for one in cites:
        if not one.fault:
            text = text.replace(one.cite.quote, " ")
    text = _RUN_ID.sub(" ", text)
    right = [one.right for one in figures if one.right and one.mark is ProofMark.CHECKED]
    known = {one.cite.seq for one in cites if not one.fault}
    known = {*known, *(one.stated.value for one in figures if one.mark is ProofMark.STRUCK)}
    for found in (*_NUMBER.finditer(text), *_IN_WORDS.finditer(text)):
        value = _value_of(found[0])
        if value is None or not (value in known or any(one.agrees(value) for one in right)):
            yield found[0]


def _value_of(written: str) -> float | None:
    plain = _PLAIN.fullmatch(written.replace(",", ""))
    return float(plain[1]) if plain else _COUNTS.get(written.lower())
