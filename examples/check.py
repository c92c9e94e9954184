"""Checks pipelines from a program, with a rule of its own, and prints their problems.

Start it with the files to check: `python check.py pipeline.dot`.
"""

import sys
from collections.abc import Iterator

from attractor import Diagnostic, Graph, Severity, node_types, prepare, validate


class GoalIsShort:
    """A rule: warns about a goal that does not fit into one line."""

    name = "goal_is_short"

    def apply(self, graph: Graph) -> Iterator[Diagnostic]:
        """Yield the problems of a graph."""
        if len(graph.goal) > 80:
            message = f"the goal has {len(graph.goal)} characters"
            yield Diagnostic(Severity.WARNING, message, graph.span, fix="shorten the goal")


def main(files: list[str]) -> bool:
    """Print the problems and the stages of each pipeline; return whether all can run."""
    shapes = {type_.name: type_.shape for type_ in node_types()}
    is_sound = True
    for file in files:
        for problem in validate(file, rules=[GoalIsShort()]):
            print(f"{file}:{problem.span.line}: {problem.severity}: {problem.message}")
        prepared = prepare(file, rules=[GoalIsShort()])
        is_sound = is_sound and prepared.is_sound
        for node in prepared.graph.nodes.values() if prepared.graph else ():
            shape = shapes[node.type] or "box"
            print(f"{file}: {node.id} has the type {node.type} (drawn as {shape})")
    return is_sound


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
