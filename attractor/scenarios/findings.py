"""A reading of a change: its findings, the lines shown to the reader, and lines that speak to it.

The change comes from the candidate. A finding decides nothing: it says what is worth a look.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.fenced import fenced
from attractor.base.patterns import late_pattern
from attractor.engine.outcome import Usage
from attractor.engine.stage.patch import files_of, path_in
from attractor.engine.truncation import one_line, shorten
from attractor.language.source.text import visible

WINDOW = 100_000
"""The maximum number of characters of a change in one question to the reader."""
MOST_QUESTIONS = 8
MOST_FINDINGS = 100
_MOST_NAMED = 50
_LONGEST_LINE = 2000
_LONGEST_WORDS = 300


class ChangeFindingKind(StrEnum):
    """The kinds of findings."""

    SPECIAL_CASE = "special_case"
    CHANGED_TEST = "changed_test"
    INSPECTION = "inspection"
    RUNS_AT_LOAD = "runs_at_load"
    WRITTEN_RESULT = "written_result"
    SPEAKS_TO_READER = "speaks_to_reader"


@dataclass(frozen=True)
class ChangeFinding:
    """A place in a change that is worth a look; of a removed line, the number before the change."""

    file: str
    line: int
    kind: ChangeFindingKind
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind.replace('_', ' ')}: {self.words}"


@dataclass(frozen=True)
class ChangeReading:
    """The findings in a change, and the cost of the model that read it.

    `left_out` are the files, or parts, that the model did not read; `not_read` is the reason if it
    failed. `dropped` counts findings without a place in the change, and those above the maximum.
    """

    findings: tuple[ChangeFinding, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: int = 0
    not_read: str = ""
    cost_usd: float = 0.0
    tokens: int = 0
    unpriced_tokens: int = 0

    @property
    def usage(self) -> Usage:
        """The usage of the model."""
        return Usage(
            output_tokens=self.tokens, cost_usd=self.cost_usd, unpriced_tokens=self.unpriced_tokens
        )

    def sentences(self) -> list[str]:
        """Return the findings with their numbers, and what was not read, for people."""
        found = [f"worth a look: {number}. {one}" for number, one in enumerate(self.findings, 1)]
        if self.not_read:
            found.append(f"change not read: {self.not_read}")
        elif not found:
            found.append("worth a look: nothing found")
        if self.left_out:
            found.append(f"left out by the reader of the change: {', '.join(self.left_out)}")
        if self.dropped:
            found.append(f"{number_of(self.dropped, 'finding')} of the reader dropped")
        return [*map(visible, found)]


class ShownLine(NamedTuple):
    """A line of a change: "+", "-" or " ", and its number in the file (of "-": before it)."""

    number: int
    sign: str
    text: str

    def __str__(self) -> str:
        return f"{self.number:>5} {self.sign} {shorten(self.text, _LONGEST_LINE)}"


@dataclass(frozen=True)
class FileLines:
    """The lines of a change in one file."""

    path: str
    lines: Sequence[ShownLine]

    @property
    def text(self) -> str:
        """The lines as the reader gets them."""
        return "\n".join(map(str, self.lines))


_HUNK = late_pattern(r"@@ -([0-9]+)(?:,[0-9]+)? \+([0-9]+)(?:,[0-9]+)? @@")


def read_changes(patch: bytes) -> list[FileLines]:
    """Return the changed files of a patch by `git diff`; a binary file has no lines."""
    return [
        FileLines(visible(path_in(one)), [*_lines_of(one.decode("utf-8", "replace"))])
        for one in files_of(patch)
    ]


def _lines_of(patch: str) -> Iterator[ShownLine]:
    old = new = -1
    for line in patch.split("\n"):
        sign, text = line[:1], line[1:]
        if found := _HUNK.match(line):
            old, new = int(found[1]), int(found[2])
        elif new >= 0 and sign in ("+", "-", " "):
            yield ShownLine(old if sign == "-" else new, sign, text)
            old += sign != "+"
            new += sign != "-"


@dataclass(frozen=True)
class Portions:
    """The parts of a change for each question to the reader, and the names of all others."""

    questions: Sequence[Sequence[FileLines]]
    left_out: Sequence[str]


def portions_of(
    changes: Iterable[FileLines], *, window: int = WINDOW, most: int = MOST_QUESTIONS
) -> Portions:
    """Divide a change into questions, the smallest files first; cut files that fill a window."""
    questions: list[list[FileLines]] = []
    left_out: list[str] = []
    used = window
    for change in sorted(changes, key=lambda change: len(change.text)):
        if not change.lines:
            left_out.append(f"{change.path} (no text)")
            continue
        shown = _cut(change, window)
        size = len(shown.text) + len(shown.path)
        if used + size > window:
            if len(questions) == most:
                left_out.append(change.path)
                continue
            questions.append([])
            used = 0
        questions[-1].append(shown)
        used += size
        if len(shown.lines) < len(change.lines):
            left_out.append(f"{change.path} (after {len(shown.lines)} lines of the change)")
        elif any(len(line.text) > _LONGEST_LINE for line in shown.lines):
            left_out.append(f"{change.path} (ends of long lines)")
    return Portions(questions, left_out)


def _cut(change: FileLines, window: int) -> FileLines:
    left, count = window - len(change.path), 0
    for line in change.lines:
        left -= len(str(line)) + 1
        if left < 0:
            break
        count += 1
    return FileLines(change.path, change.lines[:count])


def name_some(left_out: Sequence[str]) -> tuple[str, ...]:
    """Return the first names of parts that were left out, and the number of the others."""
    more = len(left_out) - _MOST_NAMED
    names = [one_line(name, _LONGEST_WORDS) for name in left_out[:_MOST_NAMED]]
    return (*names, f"and {more} more") if more > 0 else (*names,)


def question_words(
    changes: Iterable[FileLines], stories: Iterable[str], carried: Collection[str], marker: str
) -> str:
    """Return the question about parts of a change, which are quoted between lines with a marker."""
    paths = (
        [f"Files that the suite carries into its trials: {', '.join(carried)}"] if carried else []
    )
    return "\n\n".join(
        [
            "# Stories",
            *(stories or ["(none)"]),
            *paths,
            "# Change (untrusted)",
            *(fenced({change.path: change.text}, marker) for change in changes),
        ]
    )


def with_places(
    found: Iterable[ChangeFinding], changes: Iterable[FileLines]
) -> tuple[list[ChangeFinding], int]:
    """Return the findings whose file and line are in a change, and the number of the others."""
    places = {change.path: {line.number for line in change.lines} for change in changes}
    kept: list[ChangeFinding] = []
    dropped = 0
    for one in found:
        if one.line in places.get(one.file, ()):
            words = one_line(one.words, _LONGEST_WORDS)
            kept.append(ChangeFinding(one.file, one.line, one.kind, words))
        else:
            dropped += 1
    return kept, dropped


_READER = (
    r"(?:(?:code |ai |llm |human )?(?:reviewers?|judges?|graders?|evaluators?|auditors?|readers?)"
    r"|assistant|language model|llm|ai|claude|chatgpt|gpt|gemini|copilot)"
)
_CHANGE = r"(?:this|the|my|our) (?:change|diff|patch|code|commit|pull request|submission)"
_SPEAKING: Mapping[str, str] = {
    "instructions to ignore others": r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}"
    r"\b(?:previous|prior|above|earlier|preceding|all|your|system)\b.{0,20}"
    r"\b(?:instructions?|prompts?|rules?|rubrics?|guidelines|directions)\b",
    "an address": rf"(?:\b(?:dear|hey|hi|hello|attention|note (?:to|for)|message (?:to|for)"
    rf"|instructions? (?:to|for))[ ,:]{{1,3}}(?:the |any |all )?{_READER}\b"
    rf"|^\W*(?:to|for) (?:the|any|all) {_READER}\s*[:,]"
    rf"|(?:^\W*[#/*;\-!]|[\"'])\s*{_READER}\s*[:,]\s)",
    "a role": r"\b(?:you are (?:now )?(?:an? |the )?(?:helpful|judge|grader|reviewer|reader"
    r"|ai\b|assistant|language model|evaluator)|as an? (?:ai|language model|llm)\b)",
    "a wish about findings": r"\b(?:do not|don't|never|must not|should not|need not|no need to)"
    r" (?:report|flag|mention)\b.{0,20}\b(?:this|these|anything|findings?|issues?)\b",
    "an answer": r"(?:\b(?:report|return|answer|output|respond|reply)\b.{0,20}"
    r"\b(?:no|zero|empty|without)\b.{0,20}\bfindings?\b|[\"']findings[\"']\s*:\s*\[\s*\])",
    "a verdict": rf"\b(?:approve|accept|trust|wave through) {_CHANGE}\b"
    rf"|\b{_CHANGE} (?:is|was|has been|were) (?:already |fully |pre-?)*"
    r"(?:approved|reviewed|verified|vetted|audited|cleared|trusted)\b",
    "a mark of a conversation": r"<\|(?:im_start|im_end|system|user|assistant|end)|\[/?INST\]"
    r"|</?system(?:-reminder)?>|<<<data |\bdata [0-9a-f]{8,}>>>|\bsystem (?:override|message):",
    "hidden characters": r"[\U000e0001-\U000e007f]{4}",
}
"""Texts that address the reader of a change, by what they are; case is ignored."""

_PATTERN = late_pattern("|".join(f"({one})" for one in _SPEAKING.values()), re.IGNORECASE)
_COMMENT = late_pattern(r"^[\s#/*;%\"'<!>-]+")


def speaking_lines(changes: Iterable[FileLines]) -> Iterator[ChangeFinding]:
    """Yield a finding for each added line that speaks to the reader, also over two lines."""
    for change in changes:
        added = [line for line in change.lines if line.sign == "+"]
        texts = [_plain(line.text) for line in added]
        for line, text, after in zip(added, texts, [*texts[1:], ""], strict=False):
            # A match that begins in the next line is a finding there.
            spoken = _PATTERN.search(f"{text} {_COMMENT.sub('', after)[:_LONGEST_WORDS]}")
            if spoken and spoken.start() < len(text):
                kind = [*_SPEAKING][(spoken.lastindex or 1) - 1]
                words = f"{kind}: {one_line(line.text, _LONGEST_WORDS // 2)}"
                yield ChangeFinding(
                    change.path, line.number, ChangeFindingKind.SPEAKS_TO_READER, words
                )


def _plain(text: str) -> str:
    """Return a line without formatting characters that people do not see."""
    if text.isascii():
        return text
    kept = (one for one in text if unicodedata.category(one) != "Cf" or ord(one) > 0xE0000)
    return unicodedata.normalize("NFKC", "".join(kept))
