"""Every loop has a way out.

What it does: reports a loop that no edge and no retry target leaves. A limit of visits is no way
out.

Why: a run in such a loop ends only at the limit of visits, always as a failure.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        mend   [prompt="Fix"]
        exit   [shape=Msquare]
        start -> work
        work -> exit   [condition="context.is_small=true"]
        work -> review [condition="context.is_small!=true"]
        review -> mend -> review
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        mend   [prompt="Fix", max_visits=4]
        exit   [shape=Msquare]
        start -> work
        work -> exit   [condition="context.is_small=true"]
        work -> review [condition="context.is_small!=true"]
        review -> exit [condition="outcome!=fail"]
        review -> mend [condition="outcome=fail"]
        mend -> review
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import loops, reached_from, sources_and_jumps, targets_and_jumps
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if not graph.exits:
        return
    leading_out = reached_from((node.id for node in graph.exits), sources_and_jumps(graph))
    stuck = [node for node in graph.nodes if node not in leading_out]
    if not stuck:
        return
    follow = targets_and_jumps(graph)
    for loop in loops(stuck, follow):
        inside = set(loop)
        if all(inside.issuperset(follow(id_)) for id_ in loop):
            back = [edge for edge in graph.incoming(loop[0]) if edge.source in inside]
            others = f" and {len(loop) - 1} more" if len(loop) > 1 else ""
            yield warning(
                f"endless loop: no edge leaves {quote(loop[0])}{others}",
                back[-1].span if back else graph.nodes[loop[0]].span,
                node=loop[0],
                edge=(back[-1].source, back[-1].target) if back else None,
                fix="add an edge with a condition that leaves the loop",
            )


part = BuiltInRule(Severity.WARNING, _apply)
