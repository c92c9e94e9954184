"""Finds lines of a `.gitattributes` file that may run a program (gitattributes(5)).

The attributes `filter`, `diff` and `merge` name programs of the reader's own Git configuration.
"""

import re

from attractor.base.patterns import late_pattern

_LINE = late_pattern(
    # A pattern in quotes may contain blanks; git reads a malformed one up to the first blank.
    rb'[ \t\r]*(?P<pattern>"(?:[^"\\]|\\(?:[abfnrtv"\\]|[0-3][0-7]{2}))*"|[^ \t\r]+)'
    rb"(?P<attributes>.*)",
    re.DOTALL,
)
_LANGUAGES = (
    *(b"ada", b"bash", b"bibtex", b"cpp", b"csharp", b"css", b"dts", b"elixir", b"fortran"),
    *(b"fountain", b"golang", b"html", b"ini", b"java", b"kotlin", b"markdown", b"matlab"),
    *(b"objc", b"pascal", b"perl", b"php", b"python", b"r", b"ruby", b"rust", b"scheme", b"tex"),
)
_HARMLESS = late_pattern(
    rb"[-!]?(?:text|eol|diff|merge|binary|export-ignore|linguist-[a-z-]+)"
    rb"|(?:text|eol|working-tree-encoding|linguist-[a-z-]+)=.*"
    rb"|merge=union|diff=(?:%s)" % b"|".join(_LANGUAGES),
    re.DOTALL,
)


def may_run_programs(content: bytes, before: bytes) -> bool:
    """Return whether a line that the file `before` lacks has an attribute of unknown effect."""
    known = set(_lines(before))
    return any(line not in known and not _is_harmless(line) for line in _lines(content))


def _lines(content: bytes) -> list[bytes]:
    return content.removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _is_harmless(line: bytes) -> bool:
    match_ = _LINE.fullmatch(line)
    if match_ is None or match_["pattern"].startswith(b"#"):
        return True
    # A macro can give a harmless name another meaning.
    is_macro = match_["pattern"].startswith(b"[attr]")
    return not is_macro and all(map(_HARMLESS.fullmatch, match_["attributes"].split()))
