"""The model stylesheet can be read.

What it does: reports a `model_stylesheet` that is not made of rules such as
`.code { llm_model: claude-opus-4-6; }`. A selector is `*`, a shape, `.class` or `#id`; a property
is `llm_model`, `llm_provider` or `reasoning_effort`; the last is `low`, `medium` or `high`.

Why: a stylesheet that cannot be read says nothing, and every stage would be done by the default
model.

Example:

    digraph Example {
        model_stylesheet = "* { llm_model = claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        model_stylesheet = "* { llm_model: claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language import when_needed
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import Graph
from attractor.language.vocabulary import Vocabulary
from attractor.language.within import span_within


class StylesheetSyntax:
    """Stylesheets can be read."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report the mistakes in the stylesheet."""
        value = graph.attributes.value("model_stylesheet")
        if value is None or not str(value).strip():
            return
        for mistake in when_needed.read_stylesheet(str(value)).mistakes:
            span = span_within(value, mistake.start, mistake.end)
            message = f"in the stylesheet {mistake.message}"
            yield Diagnostic(self.severity, message, span, fix=mistake.hint)


part = StylesheetSyntax()
