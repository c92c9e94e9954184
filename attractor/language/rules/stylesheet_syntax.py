"""The model stylesheet can be read.

What it does: reports a `model_stylesheet` that is not made of rules such as
`.code { llm_model: claude-opus-4-6; }`. A selector is `*`, a shape, `.class` or `#id`; a property
is `llm_model`, `llm_provider` or `reasoning_effort`.

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

from attractor.language.diagnostics import Diagnostic, error
from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Graph
from attractor.language.stylesheet import parse_stylesheet
from attractor.language.vocabulary import Vocabulary
from attractor.language.within import span_within


class StylesheetSyntax:
    """Stylesheets can be read."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report the first mistake in the stylesheet."""
        value = graph.attributes.value("model_stylesheet")
        if value is None or not str(value).strip():
            return
        try:
            parse_stylesheet(str(value))
        except InvalidStylesheet as mistake:
            span = span_within(value, mistake.start, mistake.end)
            yield error(f"in the stylesheet {mistake.message}", span, fix=mistake.hint)


part = StylesheetSyntax()
