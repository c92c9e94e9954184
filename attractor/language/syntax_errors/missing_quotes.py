"""Repairs a text with missing or extra quotes, unquoted values and invisible characters.

After a missing quote, quoted and unquoted text are swapped. Therefore several readings of the text
are followed in parallel, from one quote or line end to the next, and the reading with the lowest
cost is chosen: first by the text around the quotes, then by the form of the lines. Replacements
have the length of the original text, so all other places stay the same.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.diagnostics import Change, apply_changes
from attractor.language.parsing.portability import invisible_letters, named
from attractor.language.parsing.tokens import Findings
from attractor.language.source.text import SMART_QUOTES, Source, quote
from attractor.language.syntax_errors.attribute_lists import (
    ValueMistake,
    find_value_mistakes,
    report_value_mistake,
    whole_instead,
)

_FAR = 2000
_NEAR = 100
_BLANK = r"[^\S\n]{0,99}"
_KEY = r"[^\W\d][\w.]{0,99}"
_BEFORE_A_TEXT = '=+[,;{}>:-"'
_NAMED = re.compile(r"(?:^|[\s{};])(?:digraph|subgraph)\Z")
_BEHIND_A_TEXT = re.compile(rf"{_BLANK}(?:\Z|[\n\],;+=\[{{}}:>]|->|--|/[/*>]|{_KEY}\s*[=:])")
_BEFORE_A_VALUE = re.compile(rf'(?:\A|[\s\[,;"]){_KEY}"?\s*=\s*\Z')
_ASSIGNS = re.compile(rf"{_BLANK}=")
_KEY_AT_END = re.compile(rf"(?:^|(?<=[\s\[,;])){_KEY}\Z")
_KEY_BEFORE = re.compile(rf"(?:(?:^|[\n\[,;])\s*(?P<key>{_KEY})|^)\s*=\s*")
_KEY_IN_A_ROW = re.compile(rf"\s(?P<key>{_KEY})\s*=\s*")
_KEY_BEHIND = re.compile(rf"(?P<key>{_KEY}){_BLANK}=")
_NEXT_KEY = re.compile(rf'(?<![\s\[,;])[\s\[,;]+"?{_KEY}"?\s*=\s*\Z')
_SHEET = "model_stylesheet"
_NO_TEXT = re.compile(r"[\[\]{}]|->")
_COMMENT = re.compile(r"[\s\],;}]//.*")
_JOINED = re.compile(rf'\r?\n{_BLANK}"')
_STATEMENT = re.compile(
    rf"""{_BLANK}(?:[\]}}]|//|/\*|(?:node|edge|graph){_BLANK}\[|subgraph\b
    |{_KEY}{_BLANK}(?:=|\[|->|--|;{_BLANK}$)|"[^"\n]*"{_BLANK}(?:->|\[))""",
    re.MULTILINE | re.VERBOSE,
)
_PROSE = re.compile(
    rf"""{_BLANK}(?!(?:digraph|subgraph|graph|node|edge|strict)\b)
    (?:\w+(?:[^\S\n]+\w+\b(?!{_BLANK}[=.])|['’.!?,)]|{_BLANK}\{{)|[-*•(.\#]|[0-9]+[.)])""",
    re.VERBOSE,
)


def is_preceded_oddly(text: str, at: int) -> bool:
    """Return whether no text can begin after the characters before a quote."""
    before = text[max(0, at - _NEAR) : at].rstrip(" \t\r")
    return before[-1:] not in ("", "\n", *_BEFORE_A_TEXT) and not _NAMED.search(before)


def is_followed_oddly(text: str, at: int) -> bool:
    """Return whether no text can end before the characters at an offset."""
    return _BEHIND_A_TEXT.match(text, at) is None


def looks_like_an_end(text: str, at: int) -> bool:
    """Return whether a quote is right behind a word and before a blank."""
    return text[at - 1 : at].isalpha() and text[at + 1 : at + 2].isspace()


def begins_value(text: str, at: int) -> bool:
    """Return whether a quote follows `key=`."""
    before = text[max(0, at - _NEAR) : at]
    return before.rstrip().endswith("=") and _BEFORE_A_VALUE.search(before) is not None


def start_of_text(text: str, at: int) -> int | None:
    """Return the beginning of a key or value that has only a closing quote, or None."""
    first = max(0, at - _FAR)
    last = text.rfind('"', first, at)
    while last > 0 and text[last - 1] == "\\":
        last = text.rfind('"', first, last)
    first = max(first, last + 1)
    before = text[first:at]
    if _ASSIGNS.match(text, at + 1):
        key = _KEY_AT_END.search(before)
        return first + key.start() if key else None
    keys = list(_KEY_BEFORE.finditer(before)) or list(_KEY_IN_A_ROW.finditer(before))
    value = before[keys[-1].end() :] if keys else ""
    *lines, last_line = value.split("\n")
    is_one_text = not lines or (bool(last_line.strip()) and not _NO_TEXT.search(value))
    is_text = bool(value) and (is_one_text or keys[-1]["key"] == _SHEET)
    return at - len(value) if is_text else None


def end_before_key(text: str, opened: int, at: int) -> int | None:
    """Return the end of a text before the next `key=` in the same line, or None."""
    between = text[opened + 1 : at] if at - opened < _FAR else "\n"
    found = None if "\n" in between else _NEXT_KEY.search(between)
    if found is None:
        return _end_of_key(text, opened)
    end = between.find("]") if "[" in found[0] else found.start()
    return opened + 1 + end if end >= 0 else None


def end_in_line(text: str, opened: int, end: int) -> int | None:
    """Return the end of a text at the end of a line, before closing brackets, or None.

    A text does not end in a line without other characters: it would end in the line before.
    """
    start = max(opened + 1, end - _FAR, text.rfind("\n", max(0, end - _FAR), end) + 1)
    key = _end_of_key(text, opened) if start == opened + 1 else None
    if key is not None:
        return key
    line = text[start:end]
    comment = _COMMENT.search(line)
    rest = (line[: comment.start() + 1] if comment else line).rstrip()
    for signs in ("}", ",;", "]", "+" if _JOINED.match(text, end) else ""):
        if rest and rest[-1] in signs and not _is_pair(rest):
            rest = rest[:-1].rstrip()
    is_blank = not rest and opened + 1 < start and text[start - 1] == "\n"
    return None if is_blank else start + len(rest)


def _end_of_key(text: str, opened: int) -> int | None:
    """Return the end of a key that has only an opening quote, or None."""
    key = _KEY_BEHIND.match(text, opened + 1)
    before = text[max(0, opened - _NEAR) : opened].rstrip()
    return key.end("key") if key and before[-1:] not in ("=", "+") else None


def _is_pair(line: str) -> bool:
    """Return whether the last bracket of a line was opened in that line."""
    opening = {"]": "[", "}": "{"}.get(line[-1], "")
    return bool(opening) and line.count(opening) >= line.count(line[-1])


def could_end_a_list(text: str, at: int) -> bool:
    """Return whether the characters before an offset may end a list or an attribute."""
    return text[max(0, at - _NEAR) : at].rstrip()[-1:] in ("]", ";", ",")


def looks_like_a_statement(text: str, at: int) -> bool:
    """Return whether a line begins like a statement or an attribute."""
    return _STATEMENT.match(text, at) is not None


def looks_like_prose(text: str, at: int) -> bool:
    """Return whether a line begins like a sentence or a stylesheet."""
    return _PROSE.match(text, at) is not None


_MARK = re.compile(r'"|\\["\\]|\n|//|/\*|\*/|(?<![^\n])\#')
# Costs: a missing quote is less than a misplaced one, two quotes in a text less than two others.
_ODD, _MISSING, _INNER, _ANOTHER = 10, 4, 8, 4


class QuoteFault(Enum):
    """The kind of mistake of a quote."""

    UNCLOSED = auto()
    UNOPENED = auto()
    INNER = auto()


class QuoteMistake(NamedTuple):
    """A mistake and its range; `text` is the beginning of the quoted text."""

    fault: QuoteFault
    start: int
    end: int
    text: int


class _State(Enum):
    """The kind of text at an offset; of readings with the same cost, the first state wins."""

    OUTSIDE = auto()
    INSIDE = auto()
    LINE_COMMENT = auto()
    COMMENT = auto()


class _Found(NamedTuple):
    mistake: QuoteMistake
    before: "_Found | None"


class _Reading(NamedTuple):
    """One reading of the text so far: its cost, the beginning of its last quoted text, and its
    mistakes.
    """

    oddness: int = 0
    looks: int = 0
    opened: int = 0
    found: _Found | None = None

    def with_cost(
        self, oddness: int = 0, mistake: QuoteMistake | None = None, *, looks: int = 0
    ) -> "_Reading":
        """Return this reading with additional cost."""
        found = _Found(mistake, self.found) if mistake else self.found
        return _Reading(self.oddness + oddness, self.looks + looks, self.opened, found)

    @property
    def has_inner(self) -> bool:
        """Whether the open text contains a quote."""
        last = self.found.mistake if self.found else None
        return last is not None and last.fault is QuoteFault.INNER and last.text == self.opened

    @property
    def cost(self) -> tuple[int, int]:
        """The total cost."""
        return self.oddness, self.looks


_Step = tuple[_State, _Reading]


def find_quote_mistakes(text: str) -> Sequence[QuoteMistake]:
    """Return the mistakes of the reading with the lowest cost."""
    readings = {_State.OUTSIDE: _Reading()}
    for mark in _MARK.finditer(text):
        now = [(state, readings[state]) for state in _State if state in readings]
        readings = dict[_State, _Reading]()
        for before, so_far in now:
            for state, reading in _STEPS[before](text, mark, so_far):
                if state not in readings or reading.cost < readings[state].cost:
                    readings[state] = reading
    unclosed = readings.pop(_State.INSIDE, None)
    closed = _closed(text, len(text), unclosed, _State.OUTSIDE) if unclosed else ()
    finished = [*readings.values(), *(reading for _, reading in closed)]
    return _mistakes_of(min(finished, key=lambda reading: reading.cost))


def _outside(text: str, mark: re.Match[str], reading: _Reading) -> Iterator[_Step]:
    match mark[0]:
        case '"':
            at = mark.start()
            inside = reading.with_cost(is_preceded_oddly(text, at) * _ODD)
            yield _State.INSIDE, inside._replace(opened=at)
            start = start_of_text(text, at)
            if start is not None:
                mistake = QuoteMistake(QuoteFault.UNOPENED, start, at + 1, start)
                oddness = _MISSING + is_followed_oddly(text, at + 1) * _ODD
                yield _State.OUTSIDE, reading.with_cost(oddness, mistake)
        case "\n":
            yield _State.OUTSIDE, reading.with_cost(looks=looks_like_prose(text, mark.end()))
        case "//" | "#":
            yield _State.LINE_COMMENT, reading
        case "/*":
            yield _State.COMMENT, reading
        case "*/":
            yield _State.OUTSIDE, reading
        case _:
            yield _State.OUTSIDE, reading.with_cost(looks=1)


def _inside(text: str, mark: re.Match[str], reading: _Reading) -> Iterator[_Step]:
    match mark[0]:
        case '"':
            yield from _inside_quote(text, mark.start(), reading)
        case "\n":
            yield _State.INSIDE, reading.with_cost(looks=looks_like_a_statement(text, mark.end()))
            yield from _closed(text, mark.start(), reading, _State.OUTSIDE)
        case "//" if could_end_a_list(text, mark.start()):
            yield _State.INSIDE, reading
            yield from _closed(text, mark.start(), reading, _State.LINE_COMMENT)
        case _:
            yield _State.INSIDE, reading


def _inside_quote(text: str, at: int, reading: _Reading) -> Iterator[_Step]:
    is_odd, is_next = is_followed_oddly(text, at + 1), begins_value(text, at)
    yield _State.OUTSIDE, reading.with_cost((is_odd or is_next) * _ODD)
    if not is_next and (is_odd or reading.has_inner):
        # A text with one inner quote mostly has two, the first before a word.
        oddness = _ANOTHER if reading.has_inner else _INNER + looks_like_an_end(text, at) * _INNER
        yield (
            _State.INSIDE,
            reading.with_cost(oddness, QuoteMistake(QuoteFault.INNER, at, at + 1, reading.opened)),
        )
    end = end_before_key(text, reading.opened, at) if is_next else None
    if end is not None:
        mistake = QuoteMistake(QuoteFault.UNCLOSED, reading.opened, end, reading.opened)
        yield _State.INSIDE, reading.with_cost(_MISSING, mistake)._replace(opened=at)


def _closed(text: str, at: int, reading: _Reading, state: _State) -> Iterator[_Step]:
    """Close a text in its line, before closing brackets."""
    end = end_in_line(text, reading.opened, at)
    if end is not None:
        looks = looks_like_prose(text, at + 1) + (not could_end_a_list(text, at))
        mistake = QuoteMistake(QuoteFault.UNCLOSED, reading.opened, end, reading.opened)
        yield state, reading.with_cost(_MISSING, mistake, looks=looks)


def _line_comment(text: str, mark: re.Match[str], reading: _Reading) -> Iterator[_Step]:
    if mark[0] == "\n":
        yield from _outside(text, mark, reading)
    else:
        yield _State.LINE_COMMENT, reading


def _comment(text: str, mark: re.Match[str], reading: _Reading) -> Iterator[_Step]:
    yield _State.OUTSIDE if mark[0] == "*/" else _State.COMMENT, reading


_STEPS: Mapping[_State, Callable[[str, re.Match[str], _Reading], Iterator[_Step]]] = {
    _State.OUTSIDE: _outside,
    _State.INSIDE: _inside,
    _State.LINE_COMMENT: _line_comment,
    _State.COMMENT: _comment,
}


def _mistakes_of(reading: _Reading) -> Sequence[QuoteMistake]:
    mistakes: list[QuoteMistake] = []
    found = reading.found
    while found:
        mistakes.append(found.mistake)
        found = found.before
    return mistakes[::-1]


_HIDING = str.maketrans({'"': "_", "\\": "_"})


def repair_text(source: Source) -> Findings | None:
    """Return a repaired text with its mistakes; None if there is nothing to repair."""
    text, quote_mistakes, value_mistakes = _repair(source.text)
    unseen = [Change(*place, "") for place in invisible_letters(text)]
    if not quote_mistakes and not value_mistakes and not unseen:
        return None
    text = apply_changes(text, sorted(_blank(text, change) for change in unseen))
    findings = Findings(Source(text, source.file))
    # Of quotes inside one text, only the first.
    first: dict[tuple[QuoteFault, int], QuoteMistake] = {}
    for mistake in quote_mistakes:
        first.setdefault((mistake.fault, mistake.text), mistake)
    for mistake in first.values():
        _report(findings, source.text, mistake)
    for value_mistake in value_mistakes:
        report_value_mistake(findings, source.text, value_mistake)
    for change in unseen:
        message = f"invisible character {named(source.text[change.start])}"
        findings.mistake(message, change.start, change.end, fix="remove it", edit=change)
    return findings


class _Repair(NamedTuple):
    """A repaired text with its mistakes."""

    text: str
    quote_mistakes: Sequence[QuoteMistake] = ()
    value_mistakes: Sequence[ValueMistake] = ()


def _repair(text: str) -> _Repair:
    """Repair quotes first, because a wrong quote swaps quoted and unquoted text after it.

    Quotes inside a text with other quotes are an exception.
    """
    repaired = _repair_values(text)
    quote_mistakes = find_quote_mistakes(text) if '"' in text else ()
    if not quote_mistakes or (repaired.value_mistakes and not find_quote_mistakes(repaired.text)):
        return repaired
    changes = sorted(_instead(text, one) for one in quote_mistakes)
    repaired = _repair_values(apply_changes(text, changes))
    return repaired._replace(quote_mistakes=quote_mistakes)


def _repair_values(text: str) -> _Repair:
    value_mistakes = list(find_value_mistakes(text))
    changes = sorted(whole_instead(text, one) for one in value_mistakes)
    return _Repair(apply_changes(text, changes), (), value_mistakes)


def _instead(text: str, mistake: QuoteMistake) -> Change:
    """Return the change that closes a text, or replaces a quote inside a text."""
    inside = text[mistake.start + 1 : mistake.end - 1].translate(_HIDING)
    whole = f'"{inside}"' if mistake.end - mistake.start > 1 else "_"
    return Change(mistake.start, mistake.end, "'" if mistake.fault is QuoteFault.INNER else whole)


def _blank(text: str, change: Change) -> Change:
    around = text[change.start - 1 : change.start], text[change.end : change.end + 1]
    is_within_a_word = all(one.isalnum() or one == "_" for one in around)
    return change._replace(text=("_" if is_within_a_word else " ") * (change.end - change.start))


def _report(findings: Findings, text: str, mistake: QuoteMistake) -> None:
    start, end = mistake.start, mistake.end
    smart = next((at for at in (start, end - 1) if text[at] in SMART_QUOTES), None)
    if smart is not None:
        message = "typographic quotes"
        findings.mistake(message, smart, smart + 1, fix='write "')
    elif mistake.fault is QuoteFault.INNER:
        fix = 'write \\" inside a text'
        findings.mistake("this quote ends the text too early", start, end, fix=fix)
    elif mistake.fault is QuoteFault.UNOPENED:
        fix = f'add a " before {quote(text[start : end - 1].splitlines()[0])}'
        findings.mistake("missing opening quote", start, end, fix=fix)
    else:
        findings.mistake("unclosed text", start, start + 1, fix='add a " at its end')
