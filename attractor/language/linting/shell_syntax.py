"""Reads shell commands as far as it takes to see that they never end, and what they call.

It looks at quotes, brackets, what joins commands, and words such as `if` and `done`. A
here-document (`<<`) may hold anything, so from there on nothing is said; neither of a `)` where
`case` is about.
What a command calls is not told where it could have found the program by itself.

Tells whether the words `if`, `for`, `case` and what belongs to them are balanced in a command.

It looks at words where a command can begin, and falls silent where it cannot be sure: at `[[`,
`function`, `coproc`, at loops without `do`, and about all but a missing `esac` where `case` is.
It does not see that nothing stands between two such words, or that a `{` is never closed.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
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


_WORD = r"\s*(?:[A-Za-z_]\w*=(?:[^\s'\"`$;&|(]*)\s+)*(?P<name>[A-Za-z0-9_][\w.+-]*)(?=[\s;&|)`]|\Z)"
# A name is tried from its beginning only: of one without end each letter would be a beginning.
_FUNCTION = re.compile(r"(?<![\w.+-])(\w[\w.+-]*)\s*\(\s*\)|\bfunction\s+([\w.+-]+)")
# What can bring programs along that are not there now.
_BRINGS = re.compile(r"\[\[|\bPATH=|(?:\A|[\s;&|(])(?:\.|source|eval|alias)\s")
_CALL = re.compile(_WORD)
_SHELL_CLOSES = {"(": ")", "$(": ")", "${": "}", '"': '"', "'": "'", "`": "`"}
_JOINS = ("&&", "||", ";", "|", "&", "\n")
# What the shell does itself, and words that begin what is more than a simple command.
_OWN = """
alias bg bind break builtin caller case cd command compgen complete continue coproc declare dirs
disown do done echo elif else enable esac eval exec exit export false fc fg fi for function getopts
hash help history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray
readonly return select set shift shopt source suspend test then time times trap true type typeset
ulimit umask unalias unset until wait while
"""
_OWN_WORDS = frozenset(_OWN.split())


class Fault(NamedTuple):
    """What keeps a command from being one, where, and what to do."""

    message: str
    start: int
    end: int
    fix: str


class Call(NamedTuple):
    """A program that a command calls by its name."""

    name: str
    start: int


def find_fault(command: str) -> Fault | None:
    """Return what the shell would refuse a command for, as far as it can be told."""
    scan = _Scan(command)
    scan.run()
    return scan.fault


def calls(command: str) -> Iterator[Call]:
    """Yield the programs that a command calls, as far as they are plain words."""
    scan = _Scan(command)
    scan.run()
    if scan.fault or not scan.is_whole or scan.has_case or _BRINGS.search(command):
        return
    own = _OWN_WORDS.union(*_FUNCTION.findall(command))
    found = (_CALL.match(command, start) for start in scan.begins)
    called = [Call(one["name"], one.start("name")) for one in found if one]
    starts = {call.start for call in called}
    is_plain: dict[str, bool] = {}
    for call in called:
        if call.name not in is_plain:
            is_plain[call.name] = _first(command, call.name) in starts
        if is_plain[call.name] and call.name not in own and not call.name.isdigit():
            yield call


def _first(command: str, name: str) -> int:
    """Return where a name stands first: before its call it may be asked for, or installed."""
    found = re.search(rf"(?<![\w.+-]){re.escape(name)}(?![\w.+-])", command)
    return found.start() if found else -1


class _Scan:
    """One walk over a command; `begins` are the places where simple commands can begin.

    `behind_brackets` are those where only a word such as `then` can stand.
    """

    def __init__(self, command: str) -> None:
        self._text = command
        self._at = 0
        self._open: list[tuple[str, int]] = []
        self._counting = 0
        self.begins = [0]
        self.behind_brackets: list[int] = []
        self.fault: Fault | None = None
        self.is_whole = True

    @cached_property
    def has_case(self) -> bool:
        return re.search(r"\bcase\b", self._text) is not None

    def run(self) -> None:
        while self._at < len(self._text) and self.is_whole and not self.fault:
            self._at += self._step()
        if self.is_whole and not self.fault:
            self.fault = self._unclosed() or self._unfinished() or self._unbalanced()

    def _step(self) -> int:
        """Take what stands here; return how long it is."""
        text, at = self._text, self._at
        sign, top = text[at], self._open[-1][0] if self._open else ""
        if sign == "\\":
            return 2
        if top == '"':
            return self._in_quotes(sign)
        if sign == "'" and not self._is_plain_quote():
            return self._single_quotes()
        if sign in ('"', "`") or text.startswith(("$(", "${"), at):
            return self._in_quotes(sign)
        if top == "${":
            return self._close(sign) if sign == "}" else 1
        return self._in_command(sign)

    def _in_quotes(self, sign: str) -> int:
        text, at, top = self._text, self._at, self._open[-1][0] if self._open else ""
        if sign in ('"', "`"):
            return self._close(sign) if top == sign else self._push(sign)
        if text.startswith(("$(", "${"), at):
            return self._push(text[at : at + 2])
        return 1

    def _in_command(self, sign: str) -> int:
        text, at = self._text, self._at
        if sign == "#" and (not at or text[at - 1] in " \t\n;&|("):
            end = text.find("\n", at)
            return (end if end >= 0 else len(text)) - at
        if text.startswith("<<", at) and not text.startswith("<<<", at):
            self.is_whole = text.startswith("<<", at) and self._is_arithmetic()
            return 2
        if text.startswith("<<<", at):
            return 3
        if sign == "(":
            return self._push(sign)
        if sign == ")":
            return self._close(sign)
        return self._join() or 1

    def _push(self, sign: str) -> int:
        self._open.append((sign, self._at))
        if sign == "(" and not self._counting and not self._holds_commands():
            self._counting = len(self._open)
        if sign in ("(", "$(", "`"):
            self._begin(self._at + len(sign))
        return len(sign)

    def _begin(self, at: int) -> None:
        if not self._counting:
            self.begins.append(at)

    def _holds_commands(self) -> bool:
        """Tell whether a ( is no arithmetic, no list of values and no pattern."""
        before, behind = self._text[: self._at][-1:], self._text[self._at + 1 : self._at + 2]
        return behind != "(" and before in ("", *" \t\n;&|(<>`") and not self._is_arithmetic_next()

    def _is_arithmetic_next(self) -> bool:
        """Tell whether a ( stands right behind a $( or a (."""
        sign, at = self._open[-2] if len(self._open) > 1 else ("", 0)
        return sign in ("(", "$(") and at + len(sign) == self._at

    def _close(self, sign: str) -> int:
        if self._open and _SHELL_CLOSES[self._open[-1][0]] == sign:
            _, at = self._open.pop()
            is_call = self._text[at + 1 : self._at].isspace() or at + 1 == self._at
            if sign == ")" and (is_call or self._is_group(at)):
                self.behind_brackets.append(self._at + 1)
            if len(self._open) < self._counting:
                self._counting = 0
        elif not self.has_case:
            message = f"this {sign} closes nothing"
            self.fault = Fault(message, self._at, self._at + 1, "take it away, or quote it")
        return 1

    def _is_group(self, at: int) -> bool:
        """Tell whether a ( begins a group of commands, or arithmetic by itself."""
        return self._text[at] == "(" and self._text[max(0, at - 1) : at] in ("", *" \t\n;&|(")

    def _single_quotes(self) -> int:
        is_escaping = self._text[self._at - 1 : self._at] == "$"
        pattern = r"(?:[^'\\]|\\.)*'" if is_escaping else r"[^']*'"
        found = re.compile(pattern, re.DOTALL).match(self._text, self._at + 1)
        end = found.end() - 1 if found else -1
        if end < 0:
            self._open.append(("'", self._at))
            return len(self._text)
        return end + 1 - self._at

    def _is_plain_quote(self) -> bool:
        """Tell whether a ' is only a letter: so within `"${name:-it's}"`."""
        signs = [sign for sign, _ in self._open[-2:]]
        return signs == ['"', "${"]

    def _is_arithmetic(self) -> bool:
        sign, at = self._open[-1] if self._open else ("", 0)
        return sign == "(" and self._text[at - 1 : at] == "("

    def _join(self) -> int:
        """Take what joins two commands; a sign of redirection (`2>&1`, `&>`) is none."""
        text, at = self._text, self._at
        join = next((one for one in _JOINS if text.startswith(one, at)), "")
        is_redirection = join in ("&", "|") and (
            text[max(0, at - 1) : at] in ("<", ">") or text.startswith("&>", at)
        )
        if not join or is_redirection:
            return 0
        self._begin(at + len(join))
        return len(join)

    def _unclosed(self) -> Fault | None:
        if not self._open:
            return None
        sign, at = self._open[-1]
        closing = _SHELL_CLOSES[sign]
        return Fault(f"this {sign} is never closed", at, at + len(sign), f"add {closing}")

    def _unfinished(self) -> Fault | None:
        text = self._text.rstrip()
        for join in ("&&", "||", "|"):
            if text.endswith(join) and not text.endswith((f"\\{join}", f"'{join}", f"#{join}")):
                at = len(text) - len(join)
                if at in (begin - len(join) for begin in self.begins):
                    return Fault(f"nothing follows {join}", at, len(text), "take it away")
        return None

    def _unbalanced(self) -> Fault | None:
        found = find_unbalanced(self._text, sorted([*self.begins, *self.behind_brackets]))
        if found is None:
            return None
        return Fault(found.message, found.start, found.start + len(found.word), found.fix)
