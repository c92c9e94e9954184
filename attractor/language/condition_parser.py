"""Reads the guard of an edge (attractor-spec 10.2) into a tree that is evaluated again and again.

A clause is a key, `=` or `!=`, and a literal; `&&` joins clauses. `&&` within quotes is text.
"""

import re

from attractor.language.conditions import ALWAYS, AllOf, Comparison, Condition, Unreadable
from attractor.language.errors import InvalidCondition
from attractor.language.wording import quote

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_CLAUSE = re.compile(
    rf"""\s* (?P<key> {_IDENTIFIER} (?: \. {_IDENTIFIER} )* )
    \s* (?P<operator> != | = (?![=~]) )
    \s* (?: (?P<text> " [^"\\]* (?: \\. [^"\\]* )* " )
          | (?P<bare> -?[0-9]+ (?![\w.:-]) | [A-Za-z_] [A-Za-z0-9_.:-]* ) )
    \s* (?P<next> && | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t"}

_EXTENDED = re.compile(r"\|\||[<>]=?|\(|\)|!(?!=)|\b(?:contains|matches|or|and|not|OR|AND|NOT)\b")
_BARE_KEY = re.compile(rf"\s*{_IDENTIFIER}(?:\.{_IDENTIFIER})*\s*")
_KEY_AND_OPERATOR = re.compile(r"\s*[^\s=!\"]+\s*!?=\s*")


def parse_condition(text: str) -> Condition:
    """Read a condition, or say what is wrong with it; an empty one always holds."""
    if not text.strip():
        return ALWAYS
    clauses: list[Condition] = []
    at = 0
    while True:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise _mistake(text, at)
        clauses.append(_clause(found))
        at = found.end()
        if not found["next"]:
            return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def read_condition(text: str) -> Condition:
    """Read a condition; one with a mistake becomes `Unreadable`, for a rule to report."""
    try:
        return parse_condition(text)
    except InvalidCondition as error:
        return Unreadable(error.message, error.hint, error.start, error.end)


def _clause(found: re.Match[str]) -> Comparison:
    text = found["text"]
    literal = found["bare"] if text is None else _ESCAPE.sub(_unescaped, text[1:-1])
    return Comparison(found["key"], literal, found["operator"] == "=")


def _unescaped(found: re.Match[str]) -> str:
    return _MEANT.get(found[1], found[1])


def _mistake(text: str, at: int) -> InvalidCondition:
    """Say what is wrong in the clause that begins at an offset."""
    end = _end_of_clause(text, at)
    start = at + len(text[at:end]) - len(text[at:end].lstrip())
    clause = text[start:end].strip()
    message, hint = _explain(clause)
    return InvalidCondition(message, start=start, end=max(start + len(clause), start), hint=hint)


def _end_of_clause(text: str, at: int) -> int:
    while at < len(text) and not text.startswith("&&", at):
        quoted = _TEXT.match(text, at)
        at = quoted.end() if quoted else at + 1
    return at


def _explain(clause: str) -> tuple[str, str]:
    outside = _TEXT.sub('""', clause)
    extended = _EXTENDED.search(outside)
    if not clause:
        return "a clause of the condition is missing", "write a clause on both sides of &&"
    if outside.count('"') % 2:
        return f"the quotes of {quote(clause)} are never closed", 'put a " at the end of the text'
    if "==" in outside:
        return f"{quote(clause)} compares with ==", "write = for equal and != for not equal"
    if extended:
        return (
            f"{extended[0]!r} is not supported in conditions",
            "use only =, != and &&; draw a second edge for an alternative",
        )
    return _explain_parts(clause, outside)


def _explain_parts(clause: str, outside: str) -> tuple[str, str]:
    if _BARE_KEY.fullmatch(outside):
        return f"{quote(clause)} compares with nothing", f"write {clause}=true, or another value"
    before = _KEY_AND_OPERATOR.match(clause)
    if before is None:
        return f"{quote(clause)} is not a comparison", "write KEY=VALUE or KEY!=VALUE"
    if before.end() == len(clause):
        return (
            f"{quote(clause)} compares with nothing",
            'write a value behind it; "" is the empty text',
        )
    key = before[0].strip().rstrip("=").rstrip("!").strip()
    if not _BARE_KEY.fullmatch(key):
        return f"{quote(key)} is not a key", "keys are outcome, preferred_label and context.NAME"
    value = clause[before.end() :].strip()
    return f"the value {quote(value)} has to stand in quotes", f'write \\"{value}\\"'
