"""Matches paths against `.gitignore` files exactly as git does (gitignore(5)).

Own code, because pathspec 1.1.1 differs from git: it fails for `[[:digit:]]` and for a backslash at
the end, matches nothing for `[\\]]`, and reads `a**/b` differently. A property test compares this
module with `git check-ignore`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern

_NEVER = late_pattern(rb"(?!)")
_SPECIAL = late_pattern(rb"[*?\[\\]")
_ALL = frozenset(range(1, 256))
_SLASH = frozenset(b"/")


def _ascii(wanted: str) -> frozenset[int]:
    return frozenset(wanted.encode())


_LOWER = _ascii("abcdefghijklmnopqrstuvwxyz")
_UPPER = _ascii("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGIT = _ascii("0123456789")
_GRAPH = frozenset(range(33, 127))
_CLASSES = {
    b"alnum": _LOWER | _UPPER | _DIGIT,
    b"alpha": _LOWER | _UPPER,
    b"blank": _ascii(" \t"),
    b"cntrl": frozenset(range(1, 32)) | {127},
    b"digit": _DIGIT,
    b"graph": _GRAPH,
    b"lower": _LOWER,
    b"print": _GRAPH | {32},
    b"punct": _GRAPH - _LOWER - _UPPER - _DIGIT,
    b"space": _ascii(" \t\n\v\f\r"),
    b"upper": _UPPER,
    b"xdigit": _DIGIT | _ascii("abcdefABCDEF"),
}


class _NoMatch(Exception):
    """The pattern is malformed; in git, a malformed pattern matches nothing."""


def compile_wildmatch(pattern: bytes) -> Callable[[bytes], object]:
    """Compile a pattern of git to a function that matches whole paths."""
    special = _SPECIAL.search(pattern)
    if special is None:
        return pattern.__eq__
    # Git compares the letters before the first wildcard separately. So in `a**` the two stars are
    # at the beginning of a pattern, where they cross slashes.
    parts, rest, at = [re.escape(pattern[: special.start()])], pattern[special.start() :], 0
    try:
        while at < len(rest):
            part, at = _translate_at(rest, at)
            parts.append(part)
    except _NoMatch:
        return _NEVER.fullmatch
    return re.compile(b"".join(parts), re.DOTALL).fullmatch


def _translate_at(pattern: bytes, at: int) -> tuple[bytes, int]:
    match pattern[at : at + 1]:
        case b"*":
            return _stars(pattern, at)
        case b"?":
            return b"[^/]", at + 1
        case b"[":
            return _bracket(pattern, at + 1)
        case b"\\":
            if at + 1 == len(pattern):
                raise _NoMatch
            return re.escape(pattern[at + 1 : at + 2]), at + 2
        case letter:
            return re.escape(letter), at + 1


def _stars(pattern: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1
    while pattern[end : end + 1] == b"*":
        end += 1
    begins = at == 0 or pattern[at - 1 : at] == b"/"
    if end - at == 1 or not begins:
        return b"[^/]*", end
    if pattern[end : end + 1] == b"/":
        return b"(?:.*/)?", end + 1
    crosses = end == len(pattern) or pattern[end : end + 2] == b"\\/"
    return (b".*" if crosses else b"[^/]*"), end


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int]:
    """Read the content of a bracket; `at` is the position after `[`."""
    negated = pattern[at : at + 1] in (b"!", b"^") and pattern[at : at + 1] != b""
    at += negated
    members: set[int] = set()
    first = at
    before: int | None = None
    while at == first or pattern[at : at + 1] != b"]":
        found, before, at = _member(pattern, at, before)
        members |= found
    matched = (_ALL - members if negated else members) - _SLASH
    if not matched:
        return _NEVER.pattern, at + 1
    return b"[" + b"".join(b"\\x%02x" % value for value in sorted(matched)) + b"]", at + 1


def _member(pattern: bytes, at: int, before: int | None) -> tuple[Set[int], int | None, int]:
    """Read a member of a bracket: the letters, the possible start of a range, and the
    end position.
    """
    letter = pattern[at : at + 1]
    after = pattern[at + 1 : at + 2]
    if letter == b"-" and before is not None and after not in (b"", b"]"):
        last, end = _literal(pattern, at + 1)
        return frozenset(range(before, last + 1)), None, end
    if letter == b"[" and after == b":":
        named = _named_class(pattern, at + 2)
        if named is not None:
            return named[0], None, named[1]
    value, end = _literal(pattern, at)
    return {value}, value, end


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    if pattern[at : at + 1] == b"\\":
        at += 1
    if at >= len(pattern):
        raise _NoMatch
    return pattern[at], at + 1


def _named_class(pattern: bytes, at: int) -> tuple[Set[int], int] | None:
    """Read `[:name:]` from its name on; return None for anything but a named class."""
    close = pattern.find(b"]", at)
    if close < 0:
        raise _NoMatch
    if close - at < 1 or pattern[close - 1 : close] != b":":
        return None
    name = pattern[at : close - 1]
    if name not in _CLASSES:
        raise _NoMatch
    return _CLASSES[name], close + 1


@dataclass(frozen=True)
class _Line:
    """A pattern of an ignore file."""

    fits: Callable[[bytes], object]
    is_negated: bool
    folders_only: bool
    names_only: bool

    def matches(self, path: bytes, name: bytes, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return bool(self.fits(name if self.names_only else path))


class IgnoreRules:
    """The ignore rules of a tree: its `.gitignore` files by folder."""

    def __init__(self, files: Mapping[bytes, bytes], more: Sequence[str] = ()) -> None:
        """Read ignore files by folder: `b""` for the top, otherwise a path with a final slash.

        `more` patterns are appended to the file at the top.
        """
        self._lines = {folder: tuple(reversed([*_read(text)])) for folder, text in files.items()}
        last = reversed([*_read("\n".join(more).encode())])
        self._lines[b""] = (*last, *self._lines.get(b"", ()))

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether a path is ignored; assume that no parent folder is ignored."""
        name = path.rpartition(b"/")[2]
        # Fast path for the usual single ignore file at the top.
        for folder in _folders_of(path) if len(self._lines) > 1 else (b"",):
            for line in self._lines.get(folder, ()):
                if line.matches(path[len(folder) :], name, is_folder):
                    return not line.is_negated
        return False

    def ignores_file(self, path: bytes) -> bool:
        """Return whether a file is ignored, either the file itself or a parent folder."""
        parents = (path[:end] for end, letter in enumerate(path) if letter == ord("/"))
        return any(self.ignores(folder, is_folder=True) for folder in parents) or self.ignores(
            path, is_folder=False
        )

    def ignored_files(self, paths: Iterable[bytes]) -> Set[bytes]:
        """Return the ignored files among many files."""
        folders = {b"": False}
        ignored: set[bytes] = set()
        for path in paths:
            folder = path.rpartition(b"/")[0]
            if folder not in folders:
                self._check_folder(folder, folders)
            if folders[folder] or self.ignores(path, is_folder=False):
                ignored.add(path)
        return ignored

    def _check_folder(self, folder: bytes, folders: dict[bytes, bool]) -> None:
        """Record whether a folder is ignored, based on the results of its parent folders."""
        unknown: list[bytes] = []
        while folder not in folders:
            unknown.append(folder)
            folder = folder.rpartition(b"/")[0]
        for below in reversed(unknown):
            parent = below.rpartition(b"/")[0]
            folders[below] = folders[parent] or self.ignores(below, is_folder=True)


def escape_pattern(path: str) -> str:
    """Return a path with its special characters escaped, for a `.gitignore`."""
    return "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in path)


def below_prefix(prefix: str, patterns: Sequence[str]) -> list[str]:
    """Return patterns that begin with a slash for the subfolder `prefix`; none for the top, ""."""
    return [f"/{escape_pattern(prefix)}{pattern[1:]}" for pattern in patterns] if prefix else []


def _folders_of(path: bytes) -> Iterator[bytes]:
    """Yield the parent folders of a path, nearest first, with `b""` for the top."""
    end = path.rfind(b"/")
    while end >= 0:
        yield path[: end + 1]
        end = path.rfind(b"/", 0, end)
    yield b""


def _read(text: bytes) -> Iterator[_Line]:
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        # In git a line ends at a zero byte.
        content = line.removesuffix(b"\r").partition(b"\0")[0]
        stripped = content.rstrip(b" ")
        # A blank after a backslash belongs to the pattern.
        backslashes = len(stripped) - len(stripped.rstrip(b"\\"))
        pattern = content[: len(stripped) + 1] if backslashes % 2 else stripped
        if pattern and not line.startswith(b"#"):
            yield _parse(pattern)


def _parse(pattern: bytes) -> _Line:
    is_negated = pattern.startswith(b"!")
    rest = pattern[1:] if is_negated else pattern
    folders_only = rest.endswith(b"/")
    rest = rest.removesuffix(b"/")
    names_only = b"/" not in rest
    return _Line(compile_wildmatch(rest.removeprefix(b"/")), is_negated, folders_only, names_only)


NOTHING_IGNORED = IgnoreRules({})
