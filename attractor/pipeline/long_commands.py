"""Finds commands that no shell can be started with: the system takes only so much for one word."""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph
from attractor.language.graph.queries import each_attribute

LONGEST = 128 * 1024 - 1
"""How many bytes Linux takes for one argument of a program."""

_COMMANDS = {"tool_command", "script", "tool_hooks.pre", "tool_hooks.post"}


def find_long_commands(graph: Graph) -> Iterator[Diagnostic]:
    """Yield each command that is too long to be run."""
    for holder, attribute in each_attribute(graph, _COMMANDS):
        size = len(str(attribute.value).encode("utf-8", "surrogatepass"))
        if size > LONGEST:
            told = f"{holder.node or 'the graph'}: {attribute.key} has {size} bytes, and a shell "
            fix = "put it into a script beside the pipeline, and call that"
            yield error(f"{told}takes {LONGEST}", attribute.value.span, fix=fix)
