"""Tell how two pipelines differ."""

import asyncio
from pathlib import Path

import click

from attractor.base.atomic_files import write_whole
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.options import json_option
from attractor.cli.output import show
from attractor.language.diffing.comparing import diff as compare
from attractor.language.diffing.differences import Difference
from attractor.language.diffing.records import difference_record
from attractor.language.diffing.telling import tell
from attractor.language.graph import Graph
from attractor.language.parsing import open_source, parse

_NOTHING = Graph("", {})
# Git calls a driver with path, old file, its hash and mode, new file, its hash and mode; for a
# renamed file the new name and what git says of it follow.
_OF_GIT = (7, 9)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="A B")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "dot", "svg"]),
    default="text",
    help="How to show it: as lines, as JSON, or drawn in colours.",
)
@json_option
@click.option("-o", "--output", "output", metavar="OUT", help="Write into this file instead.")
@click.option("--exit-code", "exit_code", is_flag=True, help="End with 1 when they differ.")
@click.option(
    "--git-driver", "of_git", is_flag=True, help="Take the arguments that git gives a diff driver."
)
def diff(
    files: tuple[str, ...],
    format_: str,
    as_json: bool,
    output: str | None,
    exit_code: bool,
    of_git: bool,
) -> ExitCode:
    """Tell how the pipeline in B differs from the one in A.

    It speaks of nodes, edges and attributes: a new layout, other comments or another order of
    statements is no difference. A node or an edge that is the same under another name or leads
    elsewhere is told as such. With --format svg both are drawn in one: green is new, red is gone,
    brown is changed.
    """
    if of_git:
        return _for_git(files)
    if len(files) != 2:
        raise UsageError("two pipelines are compared", hint="attractor diff OLD.dot NEW.dot")
    before, after = (_read(file) for file in files)
    difference = compare(before, after)
    text = _shown(after, difference, "json" if as_json else format_)
    if output:
        write_whole(output, text + "\n")
    else:
        show(text)
    return ExitCode.FAILED if exit_code and difference else ExitCode.DONE


def _for_git(arguments: tuple[str, ...]) -> ExitCode:
    """Show what git would show; a file that is no pipeline yet must not stop it."""
    if len(arguments) not in _OF_GIT:
        raise UsageError(
            "git gives a driver 7 or 9 arguments",
            hint='git config diff.attractor.command "attractor diff --git-driver"',
        )
    path, old, new = arguments[0], arguments[1], arguments[4]
    try:
        difference = compare(_read(old), _read(new))
    except UsageError as error:
        show(f"pipeline {path}: cannot be compared: {error.message}")
    else:
        show(f"pipeline {path}\n{tell(difference) or 'no difference in meaning'}")
    return ExitCode.DONE


def _read(file: str) -> Graph:
    if file == "/dev/null":
        return _NOTHING
    source = open_source(Path(file))
    return parse(source.text, file=source.file)


def _shown(after: Graph, difference: Difference, format_: str) -> str:
    match format_:
        case "json":
            import json

            return json.dumps(difference_record(difference), indent=2, ensure_ascii=False)
        case "text":
            return tell(difference) or "no difference in meaning"
        case _:
            from attractor.language.diffing.drawn import union
            from attractor.language.draw import draw, drawing

            both = union(after, difference)
            return (drawing(both) if format_ == "dot" else asyncio.run(draw(both))).strip()


part = diff
