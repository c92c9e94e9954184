"""Text to a validated graph and back.

This door is light: what stands behind a name is imported when the name is first asked for.
"""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports as light_door

if TYPE_CHECKING:
    from attractor.language.building import GraphBuilder
    from attractor.language.diagnostics import Diagnostic, Severity
    from attractor.language.diffing.comparing import diff
    from attractor.language.diffing.differences import Difference
    from attractor.language.errors import ParseError, ValidationError
    from attractor.language.folders import folder_name
    from attractor.language.formatting.layout import format
    from attractor.language.graph import Edge, Graph, Node, Subgraph
    from attractor.language.lint_rule import LintRule
    from attractor.language.parsing import parse, parse_file
    from attractor.language.preparation import Prepared, prepare
    from attractor.language.rendering import render
    from attractor.language.transform import Transform
    from attractor.language.validation import validate, validate_or_raise
    from attractor.language.vocabulary import Vocabulary

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
    "Difference": "diffing.differences",
    "Edge": "graph",
    "Graph": "graph",
    "GraphBuilder": "building",
    "LintRule": "lint_rule",
    "Node": "graph",
    "ParseError": "errors",
    "Prepared": "preparation",
    "Severity": "diagnostics",
    "Subgraph": "graph",
    "Transform": "transform",
    "ValidationError": "errors",
    "Vocabulary": "vocabulary",
    "diff": "diffing.comparing",
    "folder_name": "folders",
    "format": "formatting.layout",
    "parse": "parsing",
    "parse_file": "parsing",
    "prepare": "preparation",
    "render": "rendering",
    "validate": "validation",
    "validate_or_raise": "validation",
}

__getattr__ = light_door.opening(__name__, _HOMES)
