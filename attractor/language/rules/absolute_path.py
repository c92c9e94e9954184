r"""A prompt names files relative to the project root.

What it does: reports an absolute path in a prompt that probably exists on one machine only: below
`/home`, `/Users`, `/root`, `/tmp`, `/var`, `/opt`, `/srv`, `/mnt`, `/media`, `/Volumes`, or with a
drive such as `C:\`. Paths that every machine has (`/usr/bin/env`, `/etc/hosts`) and routes of a
server are not reported.

Why: a stage works in a copy of the project and often sees no other files. On another machine the
path does not exist.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Fix the failing tests in /home/ann/shop/tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Fix the failing tests in tests/"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

import re
from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote, span_within

_ROUTE = r"(?i:\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|routes?|endpoints?|pages?|urls?)\s+)[`'\"]?\Z"
# Compiled on first use: most pipelines have no slash in a prompt.
_PATH = (
    r"(?<![\w.~$/:{}-])(?:/(?:home|Users|root|tmp|var|opt|srv|mnt|media|Volumes)/|[A-Za-z]:\\)"
    r"[\w./\\~-]*[\w/\\~-]"
)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in graph.nodes_with("prompt"):
        value = node.attributes.by_key["prompt"].value
        text = str(value)
        for path in re.finditer(_PATH, text) if "/" in text or "\\" in text else ():
            if not re.search(_ROUTE, text[max(0, path.start() - 20) : path.start()]):
                yield warning(
                    f"absolute path {quote(path[0])} in the prompt",
                    span_within(value, *path.span()),
                    node=node.id,
                    fix="use a path relative to the project root",
                )
                break


part = BuiltInRule(Severity.WARNING, _apply)
