"""Draw a pipeline as SVG."""

import asyncio
import json

import click

from attractor.base.atomic_files import write_whole
from attractor.base.errors import ExitCode
from attractor.cli.options import json_option
from attractor.cli.output import show
from attractor.language.graph import Graph
from attractor.language.parsing import open_source, parse
from attractor.language.preparation import transform_all
from attractor.language.records import graph_record


@click.command()
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", "output", metavar="OUT", help="Write into this file instead.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["svg", "dot", "json"]),
    default="svg",
    help="What to make of it: a drawing, what Graphviz would draw, or its nodes and edges.",
)
@json_option
def render(file: str, output: str | None, format_: str, as_json: bool) -> ExitCode:
    """Draw the pipeline in FILE as SVG.

    The drawing goes to standard output, or into a file. In it a node has the id node-ID, an edge
    edge-FROM-TO. With --format json every node and edge is listed with its attributes, those from
    default blocks among them.
    """
    source = open_source(file)
    graph = transform_all(parse(source.text, file=source.file))
    text = _rendered(graph, "json" if as_json else format_)
    if output:
        write_whole(output, text + "\n")
    else:
        show(text)
    return ExitCode.DONE


def _rendered(graph: Graph, format_: str) -> str:
    if format_ == "json":
        return json.dumps(graph_record(graph), indent=2, ensure_ascii=False)
    from attractor.language.draw import draw, drawing

    drawn = drawing(graph) if format_ == "dot" else asyncio.run(draw(graph))
    return drawn.strip()


part = render
