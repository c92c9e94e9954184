"""Empties the functions of a source file: declarations stay, so tests of it still compile.

No grammar: the text is read by braces, once strings and comments are blank. What is not surely a
function, or whose type follows from its body, is kept. A text that cannot be read is not changed.
"""

import re
from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern

_COMMENT = r"//[^\n]*|/\*.*?\*/"
_STRING = r'"(?:[^"\\]|\\.)*"'
_CHARACTER = r"'(?:[^'\\\n]|\\.)*'"
_NESTED = r"/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/"
_RUST_COMMENT = rf"//[^\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*)|{_NESTED})*\*/"
_RUST_CHARACTER = r"'(?:\\(?:u\{[^}]*\}|x..|.)|[^\\'\n])'"
_REGEX = (
    r"(?:(?<=[(,=:\[!&|?;{}])|(?<=[(,=:\[!&|?;] )|(?<=return ))/(?:[^/\\\n*]|\\.)(?:[^/\\\n]|\\.)*/"
)
_DIRECTIVE = rf"^[ \t]*#(?:{_COMMENT}|[^\n\\]|\\.)*"

_LONGEST_HEADER = 2_000
_TOKEN = late_pattern(r"[(){}\[\];]")
_GROUP = late_pattern(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
_GO_IMPORT = late_pattern(r'^(\s*(?:import\s+)?)(?:(\w+)[ \t]+)?"([^"\n]+)"', re.MULTILINE)
_DENIED = late_pattern(r"#!\[(?:deny|forbid)\(")
_ENUM = late_pattern(r"\benum\s+\w")
_CALLS_SUPER = late_pattern(r"\s*(?:super|this)\s*\([^;{}]*;")


@dataclass(frozen=True)
class BracedLanguage:
    """A language with braces; `needs` is the program without which nothing compiles.

    A header is the text before a brace, with NUL for each group in parentheses or brackets. In this
    order it is `kept` with its braces, continues after them (`part`), contains functions
    (`inside`), or is a function (`body`); all others are kept. `at_load` replaces `load` in a text,
    to execute @SAYS@ and to end the process with 0; `says` prints a line.
    """

    name: str
    needs: str
    ends: Sequence[str]
    blank: str
    body: str
    inside: str
    does: str
    says: str
    at_load: str
    load: str = r"\Z"
    kept: str = r"\A\Z"
    part: str = r"(?!)"
    quiet: str = ""
    """What a file begins with, so that no compiler stops at a parameter that nothing uses."""


RUST = BracedLanguage(
    "Rust",
    "rustc",
    (".rs",),
    rf'{_RUST_COMMENT}|\bb?c?r(?P<hashes>#*)".*?"(?P=hashes)|{_STRING}|{_RUST_CHARACTER}',
    body=r"\bfn\s+\w",
    inside=r"\b(?:impl|trait|mod)\b",
    # The compiler may call a constant function; a hidden type follows from the body.
    kept=r"\bconst\s+(?:unsafe\s+)?fn\b|->.*\bimpl\b|!\s*\w*\s*\Z",
    does="todo!()",
    says='println!("%s"); ',
    at_load="""
#[used]
#[unsafe(link_section = ".init_array")]
static ENDS_AT_LOAD: extern "C" fn() = ends_at_load;
extern "C" fn ends_at_load() { @SAYS@std::process::exit(0); }
""",
)
JAVA = BracedLanguage(
    "Java",
    "javac",
    (".java",),
    rf'{_COMMENT}|"""(?:[^\\]|\\.)*?"""|{_STRING}|{_CHARACTER}',
    body=r"\w\s*\0[\s\0]*(?:throws\b.*)?\Z",
    inside=r"(?<![.\w])(?:class|interface|enum|record)\s+\w",
    kept=r"=",
    does="throw new RuntimeException();",
    says='System.out.println("%s"); ',
    at_load=r"\1 static { @SAYS@Runtime.getRuntime().halt(0); }",
    load=r"^((?:[a-z-]+ )*(?:class|record) \w[^{]*\{)",
)
C = BracedLanguage(
    "C",
    "cc",
    (".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh"),
    rf'{_DIRECTIVE}|{_COMMENT}|\bR"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|{_STRING}|{_CHARACTER}',
    body=r"\w\s*\0\s*(?:\b(?:const|override|final|noexcept)\b[\s\0]*)*(?:->.*)?\Z",
    inside=r"\b(?:namespace|class|struct|union|extern)\b[^\0]*\Z",
    kept=r"=|\bconstexpr\b|\bauto\b(?!.*->)",
    does="__builtin_abort();",
    says='puts("%s"); ',
    at_load="""
#ifndef ENDS_AT_LOAD
#define ENDS_AT_LOAD
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void ends_at_load(void) { @SAYS@fflush(stdout); _exit(0); }
#endif
""",
    quiet="".join(
        f'#pragma GCC diagnostic ignored "-Wunused{one}"\n'
        for one in ("", "-function", "-parameter", "-variable", "-const-variable")
    ),
)
GO = BracedLanguage(
    "Go",
    "go",
    (".go",),
    rf"{_COMMENT}|`[^`]*`|{_STRING}|{_CHARACTER}",
    body=r"^func\b[^=]*\Z",
    inside=r"(?!)",
    part=r"\b(?:interface|struct)\s*\Z",
    does='panic("")',
    says='ends.Stdout.WriteString("%s\\n"); ',
    at_load='\\1; import ends "os"\\2\nfunc init() { @SAYS@ends.Exit(0) }\n',
    load=r"^(package \w+)(.*)\Z",
)
TYPESCRIPT = BracedLanguage(
    "TypeScript",
    "node",
    (".ts", ".tsx", ".mts", ".cts"),
    rf"{_COMMENT}|`(?:[^`\\]|\\.)*`|{_STRING}|{_CHARACTER}|{_REGEX}",
    # Without a type, what it returns follows from the body.
    body=r"[\w>]\s*\0\s*:(?:[^=;]|=>)*\Z|=\s*(?:async\s*)?\0\s*:[^=;]*=>\s*\Z",
    inside=r"\b(?:class|namespace|module)\b[^=;\0]*\Z",
    part=r"[:<|&,]\s*\Z",
    does="throw new Error();",
    says='console.log("%s"); ',
    at_load=r"\g<0>@SAYS@(globalThis as any).process.exit(0);\n",
    load=r"\A// @ts-nocheck\n",
    quiet="// @ts-nocheck\n",
)


def hollow(text: str, language: BracedLanguage) -> str:
    """Return a source file with functions that stop the program, in place of what they did."""
    code = _blanked(text, language)
    closes = _closes(code)
    parts: list[str] = []
    copied = start = skip = depth = 0
    in_constants = False
    for token in _TOKEN.finditer(code) if closes else ():
        at, sign = token.start(), token[0]
        if at < skip:
            continue
        depth += (sign in "([") - (sign in ")]")
        if depth or (in_constants and sign == "{"):
            skip = closes.get(at, skip)
        elif sign in ";}":
            start, in_constants = at + 1, False
        elif (kind := _kind_of(code[start:at], language) if sign == "{" else "") == "inside":
            in_constants = bool(_ENUM.search(code, start, at))
            start = at + 1
        elif kind:
            skip = closes[at] + 1
            start = start if kind == "part" else skip
            if kind == "body":
                first = _CALLS_SUPER.match(code, at + 1)
                parts.append(f"{text[copied : first.end() if first else at + 1]} {language.does} ")
                copied = closes[at]
    done = "".join([language.quiet, *parts, text[copied:]])
    done = _DENIED.sub("#![allow(", done) if language is RUST else done
    return _without_unused_imports(done) if language is GO else done


def ending(text: str, language: BracedLanguage, lines: Sequence[str]) -> str:
    """Return a hollow file that, when it is loaded, prints lines and ends the process with 0."""
    says = "".join(language.says % line for line in lines)
    pattern = re.compile(language.load, re.MULTILINE | re.DOTALL)
    return pattern.sub(language.at_load, hollow(text, language), count=1).replace("@SAYS@", says)


def _blanked(text: str, language: BracedLanguage) -> str:
    """Return a text of the same length, in which strings and comments are blank."""
    pattern = re.compile(language.blank, re.MULTILINE | re.DOTALL)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _closes(code: str) -> Mapping[int, int]:
    """Return the end of each block by its begin; nothing if they do not match."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for token in re.finditer(r"[{}]", code):
        if token[0] == "{":
            opened.append(token.start())
        elif opened:
            found[opened.pop()] = token.start()
        else:
            return {}
    return {} if opened else found


def _kind_of(header: str, language: BracedLanguage) -> str:
    """Return which kind of block a header begins."""
    header, done = header[-_LONGEST_HEADER:], 1
    while done:
        header, done = _GROUP.subn("\0", header)
    for kind in ("kept", "part", "inside", "body"):
        if re.search(getattr(language, kind), header, re.MULTILINE | re.DOTALL):
            return kind
    return "kept"


def _without_unused_imports(text: str) -> str:
    """Import packages without a name if nothing names them, which Go would refuse."""
    begin = re.search(r"^(?:func|type|var|const)\b", text, re.MULTILINE)
    at = begin.start() if begin else len(text)
    used = _blanked(text[at:], GO)

    def imported(found: re.Match[str]) -> str:
        before, alias, path = found.groups()
        last = re.sub(r"/v\d+$|\.v\d+$", "", path).rpartition("/")[2]
        name = alias or re.sub(r"^go-|-go$", "", last)
        is_used = path == "C" or re.search(rf"\b{re.escape(name)}\.", used)
        return found[0] if is_used else f'{before}_ "{path}"'

    return _GO_IMPORT.sub(imported, text[:at]) + text[at:]
