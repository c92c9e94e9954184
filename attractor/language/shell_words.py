"""Tells whether the words `if`, `for`, `case` and what belongs to them are balanced in a command.

It looks at words where a command can begin, and falls silent where it cannot be sure: at `[[`,
`function`, `coproc`, at loops without `do`, and about all but a missing `esac` where `case` is.
It does not see that nothing stands between two such words, or that a `{` is never closed.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_BLANK = r"(?:\s|\\\n)*"
_WORDS = "if then elif else fi for select while until do done case esac time"
_RESERVED = re.compile(rf"{_BLANK}(?P<word>{_WORDS.replace(' ', '|')}|[!{{}}])(?=[\s;&|()<>`]|\Z)")
_NAME_BEFORE_DO = re.compile(rf"{_BLANK}\w+{_BLANK}(?=do\s)")
_UNSURE = re.compile(r"\[\[|\b(?:function|coproc|time\s+-)")
# What may stand before a word, where it is the innermost that is open, and what it becomes.
_NEEDS = {
    "then": ({"if", "elif"}, "an if"),
    "elif": ({"then"}, "a then"),
    "else": ({"then"}, "a then"),
    "fi": ({"then", "else"}, "a then"),
    "do": ({"for", "select", "while", "until"}, "a for or while"),
    "done": ({"do"}, "a do"),
}
_OPENS = frozenset({"if", "for", "select", "while", "until"})
_CLOSES = frozenset({"fi", "done"})
_LOOPS = frozenset({"for", "select"})


class Unbalanced(NamedTuple):
    """A word without its other half, and what to do."""

    word: str
    start: int
    message: str
    fix: str


class _Open(NamedTuple):
    """What is open: the word that stood last in it, and the one that opened it."""

    now: str
    word: str
    start: int


def find_unbalanced(command: str, begins: Iterable[int]) -> Unbalanced | None:
    """Return the first word without its other half; `begins` are where commands can begin."""
    if _UNSURE.search(command):
        return None
    words = _words(command, begins)
    if any(word == "case" for word, _ in words):
        return _open_case(command, words)
    opened: list[_Open] = []
    for word, start in words:
        if word == "{" and opened and opened[-1].now in _LOOPS:
            return None
        wrong = _take(word, start, opened)
        if wrong:
            return wrong
    return _unclosed(opened)


def _take(word: str, start: int, opened: list[_Open]) -> Unbalanced | None:
    """Open, go on with or close what a word belongs to."""
    if word in _OPENS:
        opened.append(_Open(word, word, start))
    elif word in _NEEDS:
        before, named = _NEEDS[word]
        if not opened or opened[-1].now not in before:
            message = f"this {word} comes without {named} before it"
            return Unbalanced(word, start, message, "add what is missing, or quote it")
        innermost = opened.pop()
        if word not in _CLOSES:
            opened.append(innermost._replace(now=word))
    return None


def _unclosed(opened: list[_Open]) -> Unbalanced | None:
    if not opened:
        return None
    _, word, start = opened[-1]
    closing = "fi" if word == "if" else "done"
    return Unbalanced(word, start, f"this {word} is never closed", f"add {closing}")


def _open_case(command: str, words: list[tuple[str, int]]) -> Unbalanced | None:
    if re.search(r"\besac\b", command):
        return None
    start = next(start for word, start in words if word == "case")
    return Unbalanced("case", start, "this case is never closed", "add esac")


def _words(command: str, begins: Iterable[int]) -> list[tuple[str, int]]:
    """Return the reserved words in the order in which they stand; most stand behind another."""
    found: dict[int, str] = {}
    for begin in begins:
        reserved = _RESERVED.match(command, begin)
        while reserved and reserved.start("word") not in found:
            found[reserved.start("word")] = reserved["word"]
            behind = reserved.end()
            if reserved["word"] in (*_LOOPS, "case"):
                name = _NAME_BEFORE_DO.match(command, behind)
                if name is None:
                    break
                behind = name.end()
            reserved = _RESERVED.match(command, behind)
    return [(found[start], start) for start in sorted(found)]
