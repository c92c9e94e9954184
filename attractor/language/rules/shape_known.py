"""The shape of a node exists.

What it does: reports a `shape` that neither Attractor nor Graphviz knows. Shapes are
case-sensitive.

Why: the shape of a node without a type decides its handler. A node with a mistyped shape would be a
stage for a model, which costs money.

Example:

    digraph Example {
        start [shape=Mdiamond]
        ask   [shape=hexagn, label="Go on?"]
        exit  [shape=Msquare]
        start -> ask
        ask -> exit [label="Yes"]
        ask -> ask  [label="No"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        ask   [shape=hexagon, label="Go on?"]
        exit  [shape=Msquare]
        start -> ask
        ask -> exit [label="Yes"]
        ask -> ask  [label="No"]
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import (
    Diagnostic,
    Severity,
    error,
    one_slip,
    suggester,
    word_edits,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

# graphviz.org/doc/info/shapes.html, without those that mean something to Attractor.
_DRAWN = """
Mcircle Mrecord assembly box3d cds circle custom cylinder doublecircle doubleoctagon egg ellipse
epsf fivepoverhang folder insulator invhouse invtrapezium invtriangle larrow lpromoter none note
noverhang octagon oval pentagon plain plaintext point polygon primersite promoter proteasesite
proteinstab rarrow record rect rectangle restrictionsite ribosite rnastab rpromoter septagon
signature square star tab terminator threepoverhang trapezium triangle underline utr
"""
_KNOWN = TYPE_OF_SHAPE.keys() | frozenset(_DRAWN.split())
_BY_SMALL_LETTERS = {shape.casefold(): shape for shape in _KNOWN}


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    ours, all_ = suggester(TYPE_OF_SHAPE), suggester(_KNOWN)
    for holder, attribute in each_attribute(graph, {"shape"}):
        shape, value = str(attribute.value), attribute.value
        if not shape or shape in _KNOWN:
            continue
        meant = _BY_SMALL_LETTERS.get(shape.casefold()) or one_slip(shape, _KNOWN)
        near = f"did you mean {meant}?" if meant else ours(shape) or all_(shape)
        yield error(
            f"unknown shape {quote(shape)}",
            value.span,
            node=holder.node,
            fix=near or f"shapes with a meaning: {', '.join(TYPE_OF_SHAPE)}",
            edits=word_edits(value, meant),
        )


part = BuiltInRule(Severity.ERROR, _apply)
