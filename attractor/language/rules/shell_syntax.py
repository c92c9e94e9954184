"""A shell command has valid syntax.

What it does: reports a `tool_command` or a tool hook that `bash -n` rejects: an unclosed quote or
bracket, nothing after `&&`, an `if` without `fi`. It reports nothing where bash is not installed.

Why: the shell rejects such a command when the stage runs, which counts as a failed check.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="pytest -k 'login"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="pytest -k 'login'"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

from collections.abc import Iterator
from functools import cache

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.attribute_catalogue import COMMANDS
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary

# A command of plain words is valid; most are, and starting a shell takes milliseconds.
_PLAIN_WORDS = late_pattern(r"[\w./:=@%+,-]+(?: +[\w./:=@%+,-]+)*")
_RESERVED_WORDS = """
if then elif else fi for select while until do done case esac function coproc in time
"""


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if vocabulary.shell_error is None:
        return
    check = cache(vocabulary.shell_error)
    for holder, attribute in each_attribute(graph, COMMANDS):
        command = str(attribute.value)
        has_plain_words = _PLAIN_WORDS.fullmatch(command) is not None
        is_plain = has_plain_words and command.split(" ")[0] not in _RESERVED_WORDS.split()
        error = "" if is_plain else check(command)
        if error:
            yield warning(
                f"invalid shell command: {error}",
                attribute.value.span,
                node=holder.node,
                fix="fix the command; bash -n checks it",
            )


part = BuiltInRule(Severity.WARNING, _apply)
