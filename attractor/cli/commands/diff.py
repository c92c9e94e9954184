"""Compare two pipelines."""

import asyncio
import os
import sys
from collections.abc import Mapping

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import JSON, chosen_format, json_option
from attractor.cli.output.files import format_for, refuse_binary_on_terminal, write_result
from attractor.cli.pipelines.files import STANDARD_INPUT, open_pipeline
from attractor.language.comparison.compare import diff as compare
from attractor.language.comparison.difference import (
    NO_CHANGE,
    Difference,
    difference_record,
    difference_text,
)
from attractor.language.graph.graph import Graph
from attractor.language.reading import parse

_NOTHING = Graph("", {})
_TEXT = "text"
_FORMATS = (_TEXT, JSON, "svg", "png", "pdf", "dot", "mermaid")
_ENDINGS: Mapping[str, str] = {
    **{".txt": _TEXT, ".json": JSON, ".svg": "svg", ".png": "png", ".pdf": "pdf"},
    **{".dot": "dot", ".gv": "dot", ".mmd": "mermaid"},
}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="A B")
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="Choose the output format (default: by the file extension of OUT, otherwise text).",
)
@json_option
@click.option("-o", "--output", "output", metavar="OUT", help="Write to this file.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 1 if the pipelines differ.")
@click.option(
    "--git-driver",
    "of_git",
    is_flag=True,
    help="Accept the arguments that Git passes to a diff driver.",
)
def diff(
    files: tuple[str, ...],
    format_: str | None,
    as_json: bool,
    output: str | None,
    exit_code: bool,
    of_git: bool,
) -> ExitCode:
    """Compare two pipelines.

    A and B are pipelines; one of them may be - for standard input. Nodes, edges and attributes are
    compared; layout, comments, statement order, quotes, attribute aliases and explicit default
    values are ignored. Renamed nodes and redirected edges are recognized. With --format svg, draw
    both pipelines in one picture: green is added, red is removed, brown is changed.
    """
    if of_git:
        return _for_git(files)
    if len(files) != 2:
        raise UsageError("diff takes two pipelines", hint="attractor diff OLD.dot NEW.dot")
    if files == (STANDARD_INPUT, STANDARD_INPUT):
        raise UsageError(
            "only one of the pipelines can be standard input", hint="pass a file for the other one"
        )
    requested = chosen_format(format_, as_json=as_json)
    chosen = format_for(requested, output, endings=_ENDINGS, default=_TEXT, noun="a difference")
    _refuse(chosen, output, files)
    before, after = (_read(file) for file in files)
    difference = compare(before, after)
    write_result(_made(after, difference, chosen), chosen, output)
    return ExitCode.FAILED if exit_code and difference else ExitCode.DONE


def _for_git(arguments: tuple[str, ...]) -> ExitCode:
    from attractor.cli.output.files import show_diff
    from attractor.cli.pipelines.git_diff_driver import describe_change

    show_diff(describe_change(arguments), color=False)
    return ExitCode.DONE


def _refuse(format_: str, output: str | None, files: tuple[str, ...]) -> None:
    if output is None:
        refuse_binary_on_terminal(format_, is_terminal=sys.stdout.isatty())
    elif os.path.realpath(output) in map(os.path.realpath, files):
        raise UsageError(
            f"the difference would overwrite {output}", hint="choose another output file"
        )


def _read(file: str) -> Graph:
    if file == os.devnull:
        return _NOTHING
    source = open_pipeline(file).source
    return parse(source.text, file=source.file)


def _made(after: Graph, difference: Difference, format_: str) -> bytes:
    match format_:
        case "json":
            import json

            record = difference_record(difference)
            return json.dumps(record, indent=2, ensure_ascii=False).encode()
        case "text":
            return (difference_text(difference) or NO_CHANGE).encode()
        case _:
            from attractor.language.comparison.difference_picture import difference_picture
            from attractor.language.drawing.draw import Format
            from attractor.language.drawing.draw import render_async as render

            return asyncio.run(
                render(difference_picture(after, difference), format=Format(format_))
            )


part = diff
