"""A program that a command calls is installed.

What it does: reports a program in a `tool_command`, a tool hook or `requires` that is not on the
PATH. It reports only programs that a command calls by a plain name, also behind `env`, `exec`,
`nice`, `nohup` and `timeout`. It ignores shell built-ins, functions, paths and variables, and a
program that the command mentions earlier, as in `command -v jq && jq`. It skips commands that may
change which programs exist (`PATH=`, `source`, `eval`, `alias`), and commands with `case`,
`function`, `[[`, `<<`, `$(` or backticks.

Why: a stage that calls a missing program fails with "command not found". The program may exist on
the machine that runs the pipeline, or an earlier stage may build it, so this is only an info.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="cd web && nmp test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="cd web && npm test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Diagnostic, Severity, info
from attractor.language.graph.attribute_catalogue import COMMANDS
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import quote, span_within

_UNCERTAIN = late_pattern(
    r"<<|\[\[|`|\$\(|\(\(|=\(|!\(|\bPATH=|\b(?:case|function|source|eval|alias)\b|(?:\A|\s)\.\s"
)
_OPERATORS = ";&|()<>\n"
_NAME = late_pattern(r"[A-Za-z_][\w.+-]*")
_ASSIGNMENT = late_pattern(r"[A-Za-z_]\w*=")
_FUNCTION = late_pattern(r"(?<![\w.+-])(\w[\w.+-]*)\s*\(\s*\)")
_BEFORE_A_COMMAND = ("if", "then", "elif", "else", "while", "until", "do", "!", "{", "time")
_BUILT_INS = """
bg bind break builtin caller cd command compgen complete continue coproc declare dirs disown done
echo enable esac exec exit export false fc fg fi for getopts hash help history in jobs kill let
local logout mapfile popd printf pushd pwd read readarray readonly return select set shift shopt
suspend test times trap true type typeset ulimit umask unalias unset wait
"""
_STARTERS: Mapping[str, tuple[str, ...]] = {
    "env": ("-u", "--unset", "-C", "--chdir"),
    "exec": ("-a",),
    "nice": ("-n", "--adjustment"),
    "nohup": (),
    "timeout": ("-s", "--signal", "-k", "--kill-after"),
}
"""The commands that start the command in their arguments, with their options that take a word."""
_SPLITS = ("-S", "--split-string")
_SHELL_WORDS = frozenset([*_BEFORE_A_COMMAND, *_BUILT_INS.split()])


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if vocabulary.has_program is None:
        return
    is_installed = cache(vocabulary.has_program)
    for call in _calls(graph):
        if not is_installed(call.program):
            yield info(
                f"the program {quote(call.program)} is not on the PATH",
                span_within(call.value, call.start, call.end),
                node=call.node,
                fix="install the program, or correct its name",
            )


class _Call(NamedTuple):
    """A called program, and the place of its name in the value of an attribute."""

    program: str
    value: Value
    start: int
    end: int
    node: str = ""


def _calls(graph: Graph) -> Iterator[_Call]:
    required = graph.attributes.value("requires")
    if required is not None:
        # Few pipelines declare requirements.
        from attractor.language.declarations.requirements import read_requirements

        for need in read_requirements(str(required)).needs:
            if need.is_program:
                yield _Call(need.name, required, need.start, need.end)
    for holder, attribute in each_attribute(graph, COMMANDS):
        command = str(attribute.value)
        programs = called_programs(command)
        starts: dict[str, int] = {}
        for word in re.finditer(r"[\w.+-]+", command) if programs else ():
            starts.setdefault(word[0], word.start())
        for program in programs:
            start = starts.get(program, 0)
            yield _Call(program, attribute.value, start, start + len(program), holder.node)


def called_programs(command: str) -> list[str]:
    """Return the programs that a shell command calls by a plain name, without duplicates."""
    if _UNCERTAIN.search(command):
        return []
    lexer = shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace, lexer.whitespace_split = " \t\r", True
    mentioned, programs, words = set(_FUNCTION.findall(command)), list[str](), _Words()
    try:
        for token in lexer:
            if token.strip(_OPERATORS) == "":
                words.separate(token)
            elif words.call(token):
                if _NAME.fullmatch(token) and token not in mentioned:
                    programs.append(token)
                mentioned.add(token)
            else:
                mentioned.update(token.split())
    except ValueError:
        # A quote is never closed: the rule shell_syntax reports it.
        return []
    return [one for one in programs if one not in _SHELL_WORDS]


@dataclass
class _Words:
    """Finds the words of a command that are commands.

    `starter` is a command that starts the command in its arguments, after `arguments` other words.
    """

    is_command: bool = True
    is_file: bool = False
    starter: str = ""
    arguments: int = 0

    def separate(self, operator: str) -> None:
        """Take the operator before the next word."""
        self.is_file = "<" in operator or ">" in operator
        if not self.is_file:
            self.is_command, self.starter = ")" not in operator, ""

    def call(self, word: str) -> bool:
        """Return whether the next word is a command."""
        is_file, self.is_file = self.is_file, False
        if is_file or not self.is_command or _ASSIGNMENT.match(word):
            return False
        if self.starter and word.startswith("-"):
            self.arguments += word in _STARTERS[self.starter]
            self.is_command = not word.startswith(_SPLITS)
            return False
        if self.starter and self.arguments:
            self.arguments -= 1
            return False
        self.starter = word if word in _STARTERS else ""
        # The first argument of `timeout` is the duration.
        self.arguments = int(word == "timeout")
        self.is_command = bool(self.starter) or word in _BEFORE_A_COMMAND
        return True


part = BuiltInRule(Severity.INFO, _apply)
