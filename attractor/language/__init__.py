"""Parses, validates and writes pipelines. Each name is imported on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.language.comparison.compare import diff
    from attractor.language.comparison.difference import Difference
    from attractor.language.diagnostics import Diagnostic, ParseError, Severity, ValidationError
    from attractor.language.drawing.draw import render
    from attractor.language.formatter import format
    from attractor.language.graph.builder import GraphBuilder
    from attractor.language.graph.graph import Edge, Graph, Node, Subgraph, folder_name
    from attractor.language.linting.lint_rule import LintRule, Vocabulary
    from attractor.language.linting.validate import validate, validate_or_raise
    from attractor.language.preparation.prepare import Prepared, Transform, prepare
    from attractor.language.reading import parse, parse_file

__all__ = [
    "Diagnostic",
    "Difference",
    "Edge",
    "Graph",
    "GraphBuilder",
    "LintRule",
    "Node",
    "ParseError",
    "Prepared",
    "Severity",
    "Subgraph",
    "Transform",
    "ValidationError",
    "Vocabulary",
    "diff",
    "folder_name",
    "format",
    "parse",
    "parse_file",
    "prepare",
    "render",
    "validate",
    "validate_or_raise",
]

_HOMES = {
    "Diagnostic": "diagnostics",
    "Difference": "comparison.compare",
    "Edge": "graph.graph",
    "Graph": "graph.graph",
    "GraphBuilder": "graph.builder",
    "LintRule": "linting.lint_rule",
    "Node": "graph.graph",
    "ParseError": "diagnostics",
    "Prepared": "preparation.prepare",
    "Severity": "diagnostics",
    "Subgraph": "graph.graph",
    "Transform": "preparation.prepare",
    "ValidationError": "diagnostics",
    "Vocabulary": "linting.lint_rule",
    "diff": "comparison.compare",
    "folder_name": "graph.graph",
    "format": "formatter",
    "parse": "reading",
    "parse_file": "reading",
    "prepare": "preparation.prepare",
    "render": "drawing.draw",
    "validate": "linting.validate",
    "validate_or_raise": "linting.validate",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES)
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
