"""The variables and packages of a provider are there.

What it does: reports an `llm_model` or `llm_provider` whose provider lacks a variable or a package
on this machine. Only `attractor validate` reports it, once a provider, for stages of the backend
`agent`; a run refuses such stages by itself.

Why: a stage cannot call a model without the key. The pipeline may run on another machine, so this
is only an info; set the rule to `off` where pipelines are only checked.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_model="azure/gpt-4.1"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_model="claude-sonnet-4-5"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, info
from attractor.language.graph.graph import DEFAULT_TYPE, Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary

_QUESTION, _AGENT = "prompt", "agent"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if vocabulary.provider_fault is None:
        return
    seen: set[tuple[str, str]] = set()
    reported: set[str] = set()
    for node in (*graph.of_type(DEFAULT_TYPE), *graph.of_type(_QUESTION)):
        attributes = node.attributes
        model, provider = attributes.text("llm_model"), attributes.text("llm_provider")
        is_agent = attributes.text("backend") in ("", _AGENT)
        if not is_agent or not (model or provider) or (model, provider) in seen:
            continue
        seen.add((model, provider))
        fault = vocabulary.provider_fault(model, provider)
        if fault and fault.message not in reported:
            reported.add(fault.message)
            value = attributes.value("llm_provider" if provider else "llm_model")
            span = value.span if value and value.span.is_somewhere else node.span
            yield info(fault.message, span, node=node.id, fix=fault.hint)


part = BuiltInRule(Severity.INFO, _apply)
