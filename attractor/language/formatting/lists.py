"""Lays out attribute lists."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attractor.language.comments import Comment, comments_between
from attractor.language.formatting.attributes import read_written
from attractor.language.patterns import ATTRIBUTE, BLANK
from attractor.language.tokens import Token
from attractor.language.words import margin

WIDEST = 100


class Entry(NamedTuple):
    """An attribute with the comments before it and those behind it on its line."""

    written: str
    before: Sequence[Comment] = ()
    behind: Sequence[Comment] = ()


class Listed(NamedTuple):
    """The attributes of a statement, those of several lists in a row together."""

    entries: Sequence[Entry] = ()
    last: Sequence[Comment] = ()
    is_spread: bool = False

    @property
    def has_comments(self) -> bool:
        """Whether a comment stands anywhere within."""
        return bool(self.last) or any(one.before or one.behind for one in self.entries)


def read_lists(text: str, tokens: Sequence[Token]) -> Listed:
    """Take lists apart; one whose first attribute stands on a line of its own stays spread."""
    entries: list[Entry] = []
    last: list[Comment] = []
    is_spread = False
    for token in tokens:
        found, rest = _read_list(text, token)
        if found and last:
            found[0] = found[0]._replace(before=[*last, *found[0].before])
            last = []
        entries += found
        last += rest
        blank = BLANK.match(text, token.start + 1)
        is_spread = is_spread or (blank is not None and "\n" in blank[0])
    return Listed(entries, last, is_spread and bool(entries))


def laid_out(before: str, listed: Listed, depth: int) -> str:
    """Write a list behind a word: in one line where it fits and nothing stands against it."""
    if not listed.entries and not listed.last:
        return f"{before} []"
    line = f"{before} [{', '.join(one.written for one in listed.entries)}]"
    if not listed.has_comments and not listed.is_spread and _fits(line, listed, depth):
        return line
    inner, outer = f"\n{margin(depth + 1)}", f"\n{margin(depth)}"
    return f"{before} [{inner}{inner.join(_rows(listed))}{outer}]"


def _fits(line: str, listed: Listed, depth: int) -> bool:
    # A list of one attribute gains nothing by being spread.
    if len(listed.entries) == 1:
        return True
    return "\n" not in line and len(margin(depth)) + len(line) <= WIDEST


def _rows(listed: Listed) -> Iterator[str]:
    for at, entry in enumerate(listed.entries, 1):
        yield from (one.written for one in entry.before)
        comma = "," if at < len(listed.entries) else ""
        yield "  ".join([entry.written + comma, *(one.written for one in entry.behind)])
    yield from (one.written for one in listed.last)


def _read_list(text: str, token: Token) -> tuple[list[Entry], list[Comment]]:
    entries: list[Entry] = []
    taken = at = token.start + 1
    last = token.end - 1
    while found := ATTRIBUTE.match(text, _behind_blank(text, at, last), last):
        written = read_written(text, found)
        start, end = written.value
        before = (*_comments(text, taken, found.start()), *_comments(text, written.key_end, start))
        behind = _behind(text, end, found.end())
        entries.append(Entry(written.text, before, behind))
        taken, at = behind[-1].end if behind else end, found.end()
    return entries, _comments(text, taken, last)


def _behind_blank(text: str, at: int, last: int) -> int:
    blank = BLANK.match(text, at, last)
    return blank.end() if blank else at


def _comments(text: str, start: int, end: int) -> list[Comment]:
    return list(comments_between(text, start, end))


def _behind(text: str, start: int, end: int) -> list[Comment]:
    """Return the comments behind a value on its line."""
    behind: list[Comment] = []
    for comment in comments_between(text, start, end):
        if "\n" in text[start : comment.start]:
            break
        behind.append(comment)
        start = comment.end
    return behind
