"""Judges what stands around a quote, and where a text begins or ends that lacks one.

It is asked at every quote and every end of a line, so nobody looks further than a little way.
"""

import re

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
    """Tell whether no text begins behind what stands before a quote."""
    before = text[max(0, at - _NEAR) : at].rstrip(" \t\r")
    return before[-1:] not in ("", "\n", *_BEFORE_A_TEXT) and not _NAMED.search(before)


def is_followed_oddly(text: str, at: int) -> bool:
    """Tell whether no text ends before what stands there."""
    return _BEHIND_A_TEXT.match(text, at) is None


def looks_like_an_end(text: str, at: int) -> bool:
    """Tell whether a quote stands right behind a word and before a blank."""
    return text[at - 1 : at].isalpha() and text[at + 1 : at + 2].isspace()


def begins_value(text: str, at: int) -> bool:
    """Tell whether a quote stands behind `key=`, so that a text most likely begins there."""
    before = text[max(0, at - _NEAR) : at]
    return before.rstrip().endswith("=") and _BEFORE_A_VALUE.search(before) is not None


def start_of_text(text: str, at: int) -> int | None:
    """Return where a key or a value begins that has a quote at its end only, if there is one."""
    first = max(0, at - _FAR, _behind_last_quote(text, at))
    before = text[first:at]
    if _ASSIGNS.match(text, at + 1):
        key = _KEY_AT_END.search(before)
        return first + key.start() if key else None
    keys = list(_KEY_BEFORE.finditer(before)) or list(_KEY_IN_A_ROW.finditer(before))
    value = before[keys[-1].end() :] if keys else ""
    is_text = bool(value) and (keys[-1]["key"] == _SHEET or _could_be_one_text(value))
    return at - len(value) if is_text else None


def _behind_last_quote(text: str, at: int) -> int:
    last = text.rfind('"', max(0, at - _FAR), at)
    while last > 0 and text[last - 1] == "\\":
        last = text.rfind('"', max(0, at - _FAR), last)
    return last + 1


def _could_be_one_text(value: str) -> bool:
    *before, last = value.split("\n")
    return not before or (bool(last.strip()) and not _NO_TEXT.search(value))


def end_before_key(text: str, opened: int, at: int) -> int | None:
    """Return where a text ends when the next one of its line begins at a quote behind `key=`."""
    between = text[opened + 1 : at] if at - opened < _FAR else "\n"
    found = None if "\n" in between else _NEXT_KEY.search(between)
    if found is None:
        return _end_of_key(text, opened)
    end = between.find("]") if "[" in found[0] else found.start()
    return opened + 1 + end if end >= 0 else None


def end_in_line(text: str, opened: int, end: int) -> int | None:
    """Return where a text ends that is closed in a line: before what closes the list around it.

    In a line that has nothing else it does not end: it would have ended in the line before.
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
    """Return where a key ends that has a quote at its beginning only, if it is one."""
    key = _KEY_BEHIND.match(text, opened + 1)
    before = text[max(0, opened - _NEAR) : opened].rstrip()
    return key.end("key") if key and before[-1:] not in ("=", "+") else None


def _is_pair(line: str) -> bool:
    """Tell whether the last bracket of a line was opened in it."""
    opening = {"]": "[", "}": "{"}.get(line[-1], "")
    return bool(opening) and line.count(opening) >= line.count(line[-1])


def could_end_a_list(text: str, at: int) -> bool:
    """Tell whether what stands before could close an attribute list or part two attributes."""
    return text[max(0, at - _NEAR) : at].rstrip()[-1:] in ("]", ";", ",")


def looks_like_a_statement(text: str, at: int) -> bool:
    """Tell whether a line begins as statements and attributes do."""
    return _STATEMENT.match(text, at) is not None


def looks_like_prose(text: str, at: int) -> bool:
    """Tell whether a line begins as sentences and stylesheets do, and no statement."""
    return _PROSE.match(text, at) is not None
