"""Apps in Python with Starlette, Jinja2 and SQLite."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from attractor.growth.apps.routes import (
    declared_operations,
    declares_writes,
    entities_of,
    guarded_steps,
    hooks,
    operations_of,
    runs_of,
    service_operations,
    triggered,
)
from attractor.growth.apps.stack import FilePart, GeneratedFile, Stack
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from attractor.growth.specification.limits import read_limit
from attractor.growth.specification.rights import RIGHTS, is_restricted, sees_all
from attractor.growth.tools import ADAPTERS, adapter_text, adapters, copied_adapters, copied_limits

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = "python_app"
_SUFFIX = ".j2"
_LABELED = ("entity", "pipeline", "step", "output")
_BODIES = {"step": "steps", "panel": "panels"}
_RULE = re.compile(r"filter: *(?P<field>[a-z0-9_]+) *(?P<op>==|!=|<=|>=|<|>) *(?P<value>\S.*)")
"""A rule that is built without an agent: pass the records whose field compares with a value."""


def _generate(graph: SpecGraph) -> Mapping[str, GeneratedFile]:
    """Return the files of an app."""
    panels = _with_entities(graph, "panel")
    spec = {
        "title": graph.root.fields["purpose"],
        "spec_hash": graph.spec_hash,
        "entities": [
            {
                "id": entity.id,
                "fields": [_field(graph, field) for field in graph.children(entity.id, "field")],
                "limits": [read_limit(graph, one) for one in graph.children(entity.id, "limit")],
            }
            for entity in graph.of_kind("entity")
        ],
        "pipelines": [
            {
                "id": pipeline.id,
                "steps": [_step(graph, step) for step in graph.children(pipeline.id, "step")],
            }
            for pipeline in graph.of_kind("pipeline")
        ],
        "panels": [{**one, **_surface(graph, graph[one["id"]])} for one in panels],
        "outputs": _with_entities(graph, "output"),
        "actions": [one for node in graph.of_kind("action") for one in _action(graph, node)],
        "triggers": triggered(graph),
        "hooks": hooks(graph),
        "roles": [_role(one) for one in graph.of_kind("role")],
        "labels": {
            id_: _shown(node) for id_, node in sorted(graph.items()) if node.kind in _LABELED
        },
    }
    nodes = {
        "app/spec.py": tuple(sorted(_data_nodes(graph))),
        "app/rights.py": tuple(sorted(one.id for one in graph.of_kind("role"))),
    }
    generated = {
        path: GeneratedFile(_render(name, spec), nodes.get(path, ()), FilePart.SKELETON)
        for name in _skeleton_templates()
        for path in [f"app/{name.removesuffix(_SUFFIX)}"]
    }
    services = declared_operations(graph)
    for path, text in {**copied_limits(), **copied_adapters(services)}.items():
        generated[path] = GeneratedFile(text, (), FilePart.SKELETON)
    for name in services.keys() - adapters().keys():
        text = adapter_text(name, service_operations(graph, name))
        nodes = (name, *graph.children_ids(name))
        generated[f"{ADAPTERS}/{name}.py"] = GeneratedFile(text, nodes, FilePart.SKELETON)
    for kind, folder in _BODIES.items():
        for node in graph.of_kind(kind):
            text = _render(f"bodies/{kind}.py{_SUFFIX}", _body(graph, node))
            path = f"app/{folder}/{node.id}.py"
            generated[path] = GeneratedFile(text, (node.id,), FilePart.BODY)
    return dict(sorted(generated.items()))


def _data_nodes(graph: SpecGraph) -> Iterator[str]:
    kinds = ("entity", "field", "limit", "pipeline", "step", "panel", "output", "action", "trigger")
    for kind in kinds:
        yield from (node.id for node in graph.of_kind(kind))


def _field(graph: SpecGraph, node: SpecNode) -> dict[str, Any]:
    is_key = node.fields.get("key") == "true"
    type_ = node.fields.get("type", "text")
    return {
        "name": _name(node.id),
        "type": type_,
        "key": is_key,
        "label": _shown(node),
        "required": node.fields.get("required") == "true",
        "choices": node.fields.get("choices", ()),
        "unit": node.fields.get("unit", ""),
        "refers_to": next(iter(entities_of(graph, node, Relation.REFERS_TO)), ""),
        "restricted": is_restricted(graph, node.id),
    }


def _shown(node: SpecNode) -> str:
    """Return the words of a node for people: what it is shown as, or else its name in words."""
    if shown := node.fields.get("shown"):
        return str(shown)
    words = node.name.replace("_", " ") if re.fullmatch("[a-z0-9_]+", node.name) else node.name
    return words[:1].upper() + words[1:] if words.islower() else words


def _name(field: str) -> str:
    return field.partition(".")[2]


def _surface(graph: SpecGraph, panel: SpecNode) -> dict[str, Any]:
    fields = [one for one in panel.targets(Relation.ARRANGED_BY) if graph[one].kind == "field"]
    by = _name(next(iter(fields), ""))
    return {
        "label": panel.name,
        "view": panel.fields.get("view", "table") if by else "table",
        "by": by,
        "count": panel.fields.get("count") == "true",
        "sums": list(dict.fromkeys(_name(one) for one in panel.targets(Relation.SUMS))),
    }


def _action(graph: SpecGraph, action: SpecNode) -> Iterator[dict[str, Any]]:
    """Yield a button, unless the action runs nothing: then it is only words."""
    for pipeline, step in runs_of(graph, action):
        steps = [graph[step]] if step else graph.children(pipeline, "step")
        # What a service was told is not undone.
        tells = any(declares_writes(graph, one) for one in steps)
        yield {
            "id": action.id,
            "label": action.name,
            "pipeline": pipeline,
            "step": step,
            "confirm": tells or action.fields.get("confirm") == "true",
        }


def _role(role: SpecNode) -> dict[str, Any]:
    rights = {relation.value: sorted(role.targets(relation)) for relation in RIGHTS}
    return {"id": role.id, "label": role.name, "sees_all": sees_all(role), **rights}


def _step(graph: SpecGraph, node: SpecNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "reads": entities_of(graph, node, Relation.READS),
        "writes": entities_of(graph, node, Relation.WRITES),
        "guards": guarded_steps(graph, node),
        "strategy": node.fields.get("strategy", ""),
        "operations": operations_of(graph, node),
    }


def _with_entities(graph: SpecGraph, kind: str) -> list[dict[str, Any]]:
    relation = {"panel": Relation.SHOWS, "output": Relation.READS}[kind]
    return [
        {"id": node.id, "entities": entities_of(graph, node, relation)}
        for node in graph.of_kind(kind)
    ]


def _body(graph: SpecGraph, node: SpecNode) -> dict[str, Any]:
    """Return the variables of a body's template."""
    if node.kind == "panel":
        return {"name": node.name, "entities": entities_of(graph, node, Relation.SHOWS)}
    step = _step(graph, node)
    rule = _RULE.fullmatch(str(node.fields.get("rule", "")))
    return {"name": node.name, **step, "filter": _filter(graph, step, rule) if rule else None}


def _filter(
    graph: SpecGraph, step: Mapping[str, Any], rule: re.Match[str]
) -> dict[str, str] | None:
    """Return a filter from the first entity read to the first one written, or the judged one."""
    fields = [one for entity in step["reads"][:1] for one in graph.children(entity, "field")]
    field = next((one for one in fields if one.id.endswith(f".{rule['field']}")), None)
    into = step["reads"][:1] if step["guards"] else step["writes"][:1]
    if not field or not into:
        return None
    words = rule["value"]
    type_ = str(field.fields.get("type", "text"))
    if type_ in ("text", "date"):
        value = json.dumps(words.strip("\"'"), ensure_ascii=False)
    elif type_ == "boolean":
        value = {"true": "True", "false": "False"}.get(words, "")
    else:
        pattern = r"-?\d+" if type_ == "integer" else r"-?\d+(\.\d+)?"
        value = words if re.fullmatch(pattern, words) else ""
    comparison = {"field": rule["field"], "op": rule["op"], "value": value}
    return {"source": step["reads"][0], "target": into[0], **comparison} if value else None


@cache
def _skeleton_templates() -> tuple[str, ...]:
    root = files("attractor.growth.apps.stacks") / _TEMPLATES
    names = [
        f"{folder}{path.name}"
        for folder in ("", "steps/", "panels/", "templates/")
        for path in (root / folder if folder else root).iterdir()
        if path.name.endswith(_SUFFIX)
    ]
    return tuple(sorted(names))


def _render(template: str, content: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(content)


@cache
def _environment() -> "Environment":
    # Imported here, because a running app does not use it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("attractor.growth.apps.stacks", _TEMPLATES),
        # Templates of an app contain {{ }} themselves.
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,
    )
    environment.filters |= {
        "text": _text,
        "texts": _texts,
        "sentence": _sentence,
        "values": _values,
    }
    return environment


def _text(value: str) -> str:
    """Return a Python literal."""
    return json.dumps(value, ensure_ascii=False)


def _texts(values: Iterable[str]) -> str:
    """Return a Python tuple of texts, on several lines if it is long."""
    listed = [_text(value) for value in values]
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"


def _values(values: Iterable[str | float]) -> str:
    """Return a Python tuple of texts and numbers."""
    listed = [_text(value) if isinstance(value, str) else repr(value) for value in values]
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"


def _sentence(words: str) -> str:
    """Return words as the text of a docstring."""
    plain = " ".join(words.split()).replace("\\", "/").replace('"', "'")
    return f"{plain.rstrip('.')}."


part = Stack(
    generate=_generate,
    serve=("-m", "app", "serve", "--port", "0"),
    packages=("starlette", "jinja2", "uvicorn"),
)
