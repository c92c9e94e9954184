"""Reads the pipelines that a pipeline runs, to tell of those that cannot be run."""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, error
from attractor.language.errors import OutsideProject, UnreadablePipeline
from attractor.language.graph import Graph, Node
from attractor.language.parsing import decode, read_graph
from attractor.language.sources import Source
from attractor.language.surroundings import Files, KnownFiles, Surroundings
from attractor.language.values import Value
from attractor.language.wording import quote

_RULE = "pipeline_file"
_PIPELINE, _MANAGER = "pipeline", "stack.manager_loop"
_PATH = "write the path from the folder of this file"


def look_at_pipelines(graph: Graph, around: Surroundings, files: Files) -> None:
    """Report each file that is not there, or is no pipeline; each is read once."""
    faults: dict[str, tuple[str, str]] = {}
    for node, value in _named(graph):
        name = str(value).strip()
        if name not in faults:
            faults[name] = _fault(name, files)
        if faults[name][0]:
            around.report(_told(node, value, *faults[name]), rule=_RULE)


def _named(graph: Graph) -> Iterator[tuple[Node, Value]]:
    child = graph.attributes.value("stack.child_dotfile")
    uses = [(one, one.attributes.value("file")) for one in graph.of_type(_PIPELINE)]
    uses += [(one, child) for one in graph.of_type(_MANAGER)[:1]]
    yield from ((node, value) for node, value in uses if value and str(value).strip())


def _fault(name: str, files: Files) -> tuple[str, str]:
    """Return what is wrong with a file, and what to do; empty when it is a pipeline."""
    if isinstance(files, KnownFiles) and not files.has(name):
        return "", ""
    try:
        text = decode(files.read(name), file=name)
    except OutsideProject:
        # A run reads it all the same.
        return "", ""
    except UnreadablePipeline as unreadable:
        return unreadable.message, unreadable.hint or _PATH
    mistakes = [one for one in read_graph(Source(text, name)).diagnostics if one.is_error]
    if not mistakes:
        return "", ""
    first = mistakes[0]
    others = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    said = f"{quote(name)} is no pipeline: {first.message}, on line {first.span.line}{others}"
    return said, f"run attractor validate {name}"


def _told(node: Node, value: Value, message: str, fix: str) -> Diagnostic:
    span = value.span if value.span.is_somewhere else node.span
    return error(message, span, node=node.id, fix=fix)
