"""Show a specification, or one node with its origin and versions."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.growth import control_plane_of
from attractor.cli.runs.specs import spec_lines


@click.command("show")
@click.argument("spec", metavar="[ID]", default="HEAD")
@click.argument("node", metavar="[NODE]", default="")
@click.option("--all", "lists_all", is_flag=True, help="List all stored specifications.")
@json_option
@click.pass_obj
def show_specification(
    invocation: Invocation, spec: str, node: str, lists_all: bool, as_json: bool
) -> ExitCode:
    """Show a specification, or one node with its origin and versions.

    ID is the id of a specification, the beginning of an id, or HEAD (default), the specification in
    the repository. NODE is the id or the name of a node. The outline contains the id of each node
    before its words, its fields and relations, and at the end the open questions.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api import specs
    from attractor.growth.specification.rendering import outline_of

    control_plane = control_plane_of(invocation)
    if lists_all:
        found = specs.list_specs(control_plane)
        lines: Iterator[str] = _version_lines(found)
        record: object = found
    elif node:
        shown = specs.show_node(control_plane, spec, node)
        record, lines = shown, _node_lines(shown)
    else:
        whole = specs.show_spec(control_plane, spec)
        outline = outline_of(control_plane.specs.load(spec).graph)
        record, lines = whole, iter([outline, "", *spec_lines(whole)])
    return show_result(record, "\n".join(lines), as_json=as_json)


def _version_lines(versions: Any) -> Iterator[str]:
    if not versions:
        yield "There are no specifications. Write one: attractor spec normalize FILE"
        return
    head = ["id", "stored", "base", "nodes", "open questions", "purpose"]
    rows = [
        [
            version["id"],
            version["stored"],
            version["base"] or "-",
            *map(str, (version["nodes"], version["open_questions"])),
            version["purpose"],
        ]
        for version in versions
    ]
    yield from table([head, *rows])


def _node_lines(node: Mapping[str, Any]) -> Iterator[str]:
    yield f"{node['kind']} {node['id']}"
    for key, value in cast("dict[str, str | list[str]]", node["fields"]).items():
        yield f"  {key}: {'; '.join(value) if isinstance(value, list) else value}"
    yield from (f"  {relation}: {', '.join(ids)}" for relation, ids in node["edges"].items())
    origin = {"by": "rule", **node["provenance"]}
    yield f"  origin: {', '.join(f'{key} {value!r}' for key, value in origin.items())}"
    for one in node["versions"]:
        mark = "this" if one["hash"] == node["hash"] else "other"
        yield f"  in {one['version']}: {one['name']} ({mark} content)"


part = show_specification
