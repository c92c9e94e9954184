"""Writes the generated parts of the reference; cog puts them into the pages."""

import inspect
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Literal, cast, get_args, get_origin

import click
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from attractor.agent.definitions import Agents
from attractor.agent.provider_profile import profile_parts
from attractor.agent.tool_calls.execution import DEFAULT_BOUNDS, OTHER_TOOLS
from attractor.agent.tool_calls.tool import RegisteredTool, tool_parts
from attractor.base.errors import ExitCode
from attractor.base.json import JsonObject
from attractor.cli.invocation import PROGRAM, build_root
from attractor.config.schema import list_settings
from attractor.config.settings import Settings
from attractor.engine.journal.events import EngineEvent
from attractor.factory.resources.protected_paths import PROTECTED
from attractor.growth.desires import UserDesire
from attractor.growth.morph import morph_registry, parameters_of
from attractor.growth.normalize.structured import KIND_OF_FIELD
from attractor.growth.specification.document import IDENTITY, SECTIONS
from attractor.growth.specification.node_kind import NodeKind, Targets, node_kinds
from attractor.growth.tools import adapters
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE
from attractor.language.linting.pages import RulePage, read_pages
from attractor.scenarios.check import CheckOptions, check_registry
from attractor.scenarios.suite import SuiteTable
from attractor.server.application import RESOURCES
from attractor.server.http.scopes import scope_of

WIDTH = 100


def commands() -> str:
    """Return the help of every command, as `--help` prints it."""
    root = build_root()
    context = click.Context(
        root,
        info_name=PROGRAM,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return "\n".join(_pages(root, context))


def _pages(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _pages(below, click.Context(below, info_name=name, parent=context))


def settings() -> str:
    """Return a table of every setting."""
    rows = [
        f"| `{one.key}` | {one.kind} | {one.default} | `{one.variable}` | {one.description} |"
        for one in list_settings(Settings)
    ]
    head = ["| key | type | default | variable | description |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def operations() -> str:
    """Return a table of the operations of the server: scope, address and first sentence."""
    routes = [
        (one.path, method, one)
        for resource in RESOURCES.values()
        for one in resource.routes
        if isinstance(one, APIRoute)
        for method in one.methods or ()
    ]
    rows = [
        f"| `{method} {path}` | {scope_of(one)} | {first_sentence_of(one)} |"
        for path, method, one in sorted(routes, key=lambda route: route[:2])
    ]
    return "\n".join(["| operation | scope | description |", "|---|---|---|", *rows])


def first_sentence_of(route: APIRoute) -> str:
    """Return the first paragraph of the description of an operation in one line."""
    return " ".join(route.description.partition("\n\n")[0].split()).replace("|", "\\|")


def exit_codes() -> str:
    """Return a table of every exit code."""
    rows = [f"| {int(code)} | {code.meaning} |" for code in ExitCode]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


_ATTRIBUTE_HEAD = ["| attribute | type | default | description |", "|---|---|---|---|"]


def attributes() -> str:
    """Return a table of attributes for each kind of owner."""
    return "\n\n".join(_attribute_section(place) for place in AttributeOwner)


def shapes() -> str:
    """Return the table of shapes."""
    rows = [f"| `{shape}` | `{type_}` |" for shape, type_ in TYPE_OF_SHAPE.items()]
    return "\n".join(["| shape | type |", "|---|---|", *rows])


def _attribute_section(place: AttributeOwner) -> str:
    rows = [_attribute_row(one) for one in ATTRIBUTES.values() if place in one.places]
    return "\n".join([f"## On {_OWNERS[place]}", "", *_ATTRIBUTE_HEAD, *rows])


def _attribute_row(one: KnownAttribute) -> str:
    type_ = " or ".join(f"`{choice}`" for choice in one.choices) or str(one.type)
    if one.minimum is not None:
        unit = "ms" if one.type is AttributeType.DURATION else ""
        type_ += f", at least {one.minimum}{unit}"
    return f"| `{one.name}` | {type_} | {one.default} | {one.sentence} |"


_OWNERS = {
    AttributeOwner.GRAPH: "the graph",
    AttributeOwner.NODE: "a node",
    AttributeOwner.EDGE: "an edge",
}


def agents() -> str:
    """Return a table of the shipped agents."""
    rows = [
        f"| `{name}` | `{one.settings.permissions}` | {one.settings.description} |"
        for name, one in sorted(Agents().items())
    ]
    return "\n".join(["| agent | permissions | purpose |", "|---|---|---|", *rows])


def protected_paths() -> str:
    """Return the patterns of paths that no candidate may change, as a code block."""
    patterns = textwrap.wrap("  ".join(PROTECTED), 100, break_on_hyphens=False)
    return "\n".join(["```text", *patterns, "```"])


def agent_tools() -> str:
    """Return a section for each tool of agents: description, limits and parameters."""
    return "\n\n".join(_tool_section(tool) for _, tool in sorted(tool_parts().items()))


def _tool_section(tool: RegisteredTool) -> str:
    bounds = DEFAULT_BOUNDS.get(tool.name, OTHER_TOOLS)
    profiles = [
        name for name, one in sorted(profile_parts().items()) if tool.name in one.tool_names
    ]
    lines = f" and {bounds.max_lines} lines" if bounds.max_lines else ""
    facts = [
        f"Permissions: `{tool.needs}`.",
        f"Profiles: {', '.join(f'`{one}`' for one in profiles) if profiles else 'none'}.",
        f"Output: at most {bounds.max_chars:,} characters{lines}.",
    ]
    parts = [f"### {tool.name}", tool.definition.description, " ".join(facts)]
    return "\n\n".join([*parts, _parameters(tool.definition.parameters)])


def _parameters(schema: JsonObject) -> str:
    properties, required = schema["properties"], schema["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    rows: list[str] = []
    for name, one in properties.items():
        assert isinstance(one, dict)
        kind = f"{one['type']}{', required' if name in required else ''}"
        rows.append(f"| `{name}` | {kind} | {one['description']} |")
    return "\n".join(["| parameter | type | description |", "|---|---|---|", *rows])


def rules() -> str:
    """Return a table of every rule."""
    rows = [
        f"| [`{page.rule}`](#{page.rule}) | {page.severity} | {page.sentence} |"
        for page in read_pages()
    ]
    return "\n".join(["| rule | severity | requirement |", "|---|---|---|", *rows])


def rule_pages() -> str:
    """Return the page of every rule."""
    return "\n\n".join(_rule_page(page) for page in read_pages())


def _rule_page(page: RulePage) -> str:
    return "\n\n".join(
        [
            f"## {page.rule}",
            f"{page.sentence} Severity: {page.severity}.",
            textwrap.fill(f"**What it does:** {page.what}", 118),
            textwrap.fill(f"**Why:** {page.why}", 118),
            f"```dot\n{page.example}\n```",
            f"Instead:\n\n```dot\n{page.instead}\n```",
        ]
    )


def engine_events() -> str:
    """Return a table of the engine's events, in the order of their module."""
    rows = [_event_row(one) for one in get_args(EngineEvent)]
    return "\n".join(["| type | data | description |", "|---|---|---|", *rows])


def _event_row(kind: type[EngineEvent]) -> str:
    data = ", ".join(f"`{field.name}`" for field in fields(kind))
    sentence = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return f"| `{kind.__name__}` | {data} | {sentence} |"


def suite_keys(table: type[SuiteTable]) -> str:
    """Return a table of the keys of a table in a suite."""
    head = ["| key | default | meaning |", "|---|---|---|"]
    return "\n".join([*head, *_key_rows(table, skipped=())])


def suite_checks() -> str:
    """Return a section for each kind of check, with its own keys."""
    sections: list[str] = []
    for name, kind in check_registry().items():
        model = cast(type[CheckOptions], kind)
        words = " ".join(inspect.cleandoc(model.__doc__ or "").split("\n"))
        rows = _key_rows(model, skipped=CheckOptions.model_fields)
        if model.model_fields["hard"].default is not True:
            rows = [*rows, "| `hard` | false | whether the check must pass |"]
        head = ["| key | default | meaning |", "|---|---|---|"]
        sections.append("\n".join([f"### `{name}`", "", words, "", *head, *rows]))
    return "\n\n".join(sections)


def _key_rows(table: type[SuiteTable], *, skipped: Collection[str]) -> list[str]:
    """Return a row for each key, the keys of the table itself first."""
    fields = {name: one for name, one in table.model_fields.items() if name not in skipped}
    own = [name for name in fields if name in table.__annotations__]
    return [
        f"| `{one.alias or name}` | {_key_default(one)} | {one.description}{_choices(one)} |"
        for name, one in ((name, fields[name]) for name in dict.fromkeys([*own, *fields]))
    ]


def _choices(field: FieldInfo) -> str:
    options = (field.annotation, *get_args(field.annotation))
    choices = next((get_args(one) for one in options if get_origin(one) is Literal), ())
    return f": {', '.join(f'`{one}`' for one in choices)}" if choices else ""


def _key_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: object = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, timedelta):
        return f"`{value.total_seconds():g}s`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, SuiteTable) or value in (None, "", (), {}):
        return "none"
    return f"`{value}`"


def body_fields(body: type[BaseModel], *, but: type[BaseModel] | None = None) -> str:
    """Return a table of the fields of a body of requests, without those of another body."""
    known = but.model_fields if but else {}
    rows = [
        f"| `{name}` | {field.description} |"
        for name, field in body.model_fields.items()
        if name not in known
    ]
    return "\n".join(["| field | meaning |", "|---|---|", *rows])


def morph_types() -> str:
    """Return a table of the types of morphs."""
    rows = ["| type | parameters | level | risk | meaning |", "|---|---|---|---|---|"]
    for name, one in morph_registry().items():
        required = [f"`{p.name}`" for p in parameters_of(name) if p.is_required]
        optional = [f"[`{p.name}`]" for p in parameters_of(name) if not p.is_required]
        meaning = morph_registry().summary(name)
        parameters = ", ".join((*required, *optional))
        rows.append(f"| `{name}` | {parameters} | {one.level} | {one.risk} | {meaning} |")
    return "\n".join(rows)


def spec_sections() -> str:
    """Return a table of the sections of a specification with their keys."""
    rows = ["| section | keys |", "|---|---|"]
    for section, keys in {"identity": IDENTITY, **SECTIONS}.items():
        rows.append(f"| `{section}` | {', '.join(f'`{one}`' for one in keys)} |")
    return "\n".join(rows)


def adapter_operations() -> str:
    """Return a table of the operations of all adapters."""
    rows = ["| adapter | operation | request | declared by |", "|---|---|---|---|"]
    for adapter, operations in adapters().items():
        for name, one in operations.items():
            by = "reads" if one.only_reads else "writes"
            rows.append(f"| `{adapter}` | `{name}` | `{one.method} {one.path}` | `{by}` |")
    return "\n".join(rows)


def spec_node_kinds() -> str:
    """Return a table of the kinds of nodes: place, keys, relations and meaning."""
    rows = ["| kind | meaning | place | keys | relations |", "|---|---|---|---|---|"]
    for name, kind in node_kinds().items():
        parent = "" if kind.parent == "domain" else f"{kind.parent}."
        relations = "; ".join(_spec_relation(*one) for one in kind.relations.items())
        meaning = node_kinds().summary(name)
        keys = ", ".join(_spec_keys(kind))
        rows.append(f"| `{name}` | {meaning} | `{parent}{kind.key}` | {keys} | {relations} |")
    return "\n".join(rows)


def _spec_relation(key: str, targets: Targets) -> str:
    one = "one " if targets.is_one else ""
    return f"`{key}`: {one}{', '.join(targets.kinds) or 'any node'}"


def _spec_keys(kind: NodeKind) -> Iterator[str]:
    yield f"`{kind.label}`"
    for key, allowed in kind.fields.items():
        yield f"`{key}` ({' or '.join(allowed)})" if allowed else f"`{key}`"
    yield from (f"`{key}` (list)" for key in sorted(kind.lists))


def desire_fields() -> str:
    """Return a table of the fields of a desire, and the nodes that they become."""
    nodes = {one: f"a `{kind}` for each line" for one, kind in KIND_OF_FIELD.items()}
    nodes |= {
        "goal": "a `desire`; the first goal is the purpose",
        "cadence": "`deployment.cadence`",
    }
    rows = ["| field | meaning | in the first specification |", "|---|---|---|"]
    for name, field in UserDesire.model_fields.items():
        rows.append(f"| `{name}` | {field.description} | {nodes[name]} |")
    return "\n".join(rows)
