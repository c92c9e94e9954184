r"""A prompt names files from the project's root.

What it does: reports an absolute path in a prompt that is likely to be one machine's own: below
`/home`, `/Users`, `/root`, `/tmp`, `/var`, `/opt`, `/srv`, `/mnt`, `/media`, `/Volumes`, or with a
drive such as `C:\`. What every machine has (`/usr/bin/env`, `/etc/hosts`) is not meant, nor the
route of a server.

Why: a stage works in a copy of the project, often where nothing else can be seen. On the next
machine the path is not there at all.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Mend the failing tests in /home/ann/shop/tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Mend the failing tests in tests/"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

import re
from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote, span_within

_ROUTE = r"(?i:\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|routes?|endpoints?|pages?|urls?)\s+)[`'\"]?\Z"
# Compiled where it is first needed: most pipelines have no slash in a prompt.
_PATH = (
    r"(?<![\w.~$/:{}-])(?:/(?:home|Users|root|tmp|var|opt|srv|mnt|media|Volumes)/|[A-Za-z]:\\)"
    r"[\w./\\~-]*[\w/\\~-]"
)


class AbsolutePath:
    """Paths begin at the project."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report the first absolute path of each prompt."""
        for node in graph.nodes_with("prompt"):
            attribute = node.attributes.by_key["prompt"]
            found = _first_path(str(attribute.value))
            if found:
                yield Diagnostic(
                    self.severity,
                    f"the prompt names the absolute path {quote(found[0])}",
                    span_within(attribute.value, *found.span()),
                    node=node.id,
                    fix="name it from the root of the project",
                )


def _first_path(text: str) -> re.Match[str] | None:
    if "/" not in text and "\\" not in text:
        return None
    paths = re.finditer(_PATH, text)
    return next((one for one in paths if not _is_route(text, one.start())), None)


def _is_route(text: str, start: int) -> bool:
    return re.search(_ROUTE, text[max(0, start - 20) : start]) is not None


part = AbsolutePath()
