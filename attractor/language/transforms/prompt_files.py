"""Replaces file names by the content of the files: `prompt="@prompts/plan.md"` (ruling L8)."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.language.diagnostics import UnreadablePipeline, error
from attractor.language.graph.graph import Graph, Node
from attractor.language.preparation.prepare import Files, TransformContext
from attractor.language.reading import decode
from attractor.language.source.syntax_tree import Attribute, Value, ValueKind
from attractor.language.source.text import quote

_RULE = "prompt_file"
_SIGN = "@"
_KEYS = ("prompt", "tool_command", "receipt")
_TEMPLATE = ".j2"


class PromptFiles:
    """Reads prompts and commands from files; a leading `@@` means a plain `@`."""

    order = 40

    def __init__(self, context: TransformContext) -> None:
        self._context = context

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with the content of files; the name stays if a file is invalid."""
        changed: dict[str, Node] = {}
        for node, attribute in _named(graph):
            value = self._read(node, attribute)
            if value is not None:
                before = changed.get(node.id, node)
                attributes = before.attributes.replaced(attribute.key, value)
                changed[node.id] = replace(before, attributes=attributes)
        return replace(graph, nodes={**graph.nodes, **changed}) if changed else graph

    def _read(self, node: Node, attribute: Attribute) -> Value | None:
        written = attribute.value
        name = str(written).removeprefix(_SIGN)
        if name.startswith(_SIGN):
            return Value(ValueKind.STRING, name, written.text, written.span)
        if self._context.files is None:
            return None
        text = self._text(self._context.files, name, node, attribute)
        if text is None or not name.endswith(_TEMPLATE):
            return (
                text if text is None else Value(ValueKind.STRING, text, written.text, written.span)
            )
        if self._is_template(text, name, node, attribute):
            return Value(ValueKind.TEMPLATE, text, written.text, written.span)
        return None

    def _text(self, files: Files, name: str, node: Node, attribute: Attribute) -> str | None:
        if not name:
            fix = "write @@ for a plain @"
            return self._report(node, attribute, f"missing file name in {attribute.key}", fix)
        if name.startswith("/"):
            fix = "use a path relative to the folder of the pipeline"
            return self._report(node, attribute, f"{quote(name)} is an absolute path", fix)
        try:
            return decode(files.read(name), file=name)
        except UnreadablePipeline as unreadable:
            fix = (
                unreadable.hint
                or "use a path relative to the folder of the pipeline, or @@ for a plain @"
            )
            return self._report(node, attribute, unreadable.message, fix)

    def _is_template(self, text: str, name: str, node: Node, attribute: Attribute) -> bool:
        if attribute.key != "prompt":
            message = f"{name} is a template, which {attribute.key} does not support"
            fix = "use a plain file: the shell would execute inserted values"
            self._report(node, attribute, message, fix)
            return False
        # jinja2 is slow to import, and few pipelines have templates.
        from attractor.language.declarations.templates import read_template

        template = read_template(text)
        if template.mistake:
            message = f"{name}, line {template.line}: {template.mistake}"
            self._report(node, attribute, message, "fix the template (Jinja2)")
        return not template.mistake

    def _report(self, node: Node, attribute: Attribute, message: str, fix: str) -> None:
        found = error(message, attribute.value.span, node=node.id, fix=fix)
        self._context.report(found, rule=_RULE)


def _named(graph: Graph) -> Iterator[tuple[Node, Attribute]]:
    for key in _KEYS:
        for node in graph.nodes_with(key):
            attribute = node.attributes.by_key[key]
            if str(attribute.value).startswith(_SIGN):
                yield node, attribute


part = PromptFiles
