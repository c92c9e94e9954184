"""Applies rules to texts, with the names that higher rooms would provide."""

from attractor.engine.questions.edge_labels import accelerator
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import TYPE_OF_SHAPE
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.preparation.prepare import prepare
from attractor.pipeline.source.vocabulary import find_provider_fault, shell_error

KNOWN = Vocabulary(
    types=frozenset({*TYPE_OF_SHAPE.values(), "wait", "prompt", "for_each", "pipeline"}),
    backends=frozenset({"agent", "simulate"}),
    agents=frozenset({"coder", "reviewer"}),
    providers=frozenset({"anthropic", "openai"}),
    models=frozenset({"claude-opus-4-6", "claude-sonnet-4-5", "gpt-5.2"}),
    has_program=frozenset({"git", "make", "npm", "pytest"}).__contains__,
    provider_fault=lambda model, provider: (
        find_provider_fault(model, provider, environ={}) if model.startswith("azure/") else None
    ),
    shell_error=shell_error,
    accelerator=accelerator,
)


def found(text: str, rule: str = "", *, vocabulary: Vocabulary = KNOWN) -> list[Diagnostic]:
    """Return the findings in a text (default: of all rules)."""
    diagnostics = prepare(text, vocabulary=vocabulary).diagnostics
    return [one for one in diagnostics if not rule or one.rule == rule]


def inside(text: str) -> str:
    """Return a pipeline with a start, an exit and these statements."""
    return f"digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; {text} }}"


def pointed_at(text: str, diagnostic: Diagnostic) -> str:
    """Return the part of a line that a diagnostic points at."""
    span = diagnostic.span
    assert span.line == span.end_line
    return text.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1]


def pointed_parts(text: str, rule: str, *, vocabulary: Vocabulary = KNOWN) -> list[str]:
    """Return the parts of a pipeline that a rule points at."""
    whole = inside(text)
    return [pointed_at(whole, one) for one in found(whole, rule, vocabulary=vocabulary)]
