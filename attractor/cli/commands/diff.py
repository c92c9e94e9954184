"""Compare two pipelines.

As a diff driver of Git, the command prints an output for every change, because Git aborts when a
driver fails.
"""

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import JSON, Invocation, chosen_format, json_option
from attractor.cli.output.files import (
    format_for,
    output_option,
    refuse_binary_on_terminal,
    text_diff,
    write_result,
)
from attractor.cli.pipelines.files import STANDARD_INPUT, open_pipeline
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_files
from attractor.language.comparison.compare import diff as compare
from attractor.language.comparison.difference import (
    NO_CHANGE,
    Difference,
    difference_record,
    difference_text,
)
from attractor.language.graph.graph import Graph
from attractor.language.reading import decode, parse
from attractor.language.source.text import visible

_NO_FILE = "/dev/null"
_VERSION = re.compile(r".+@[0-9]+", re.DOTALL)
_NOTHING = Graph("", {})
# Arguments: the path alone for an unmerged file; otherwise the path, the old file with hash and
# mode, and the new file with hash and mode; for a renamed file also the new name and a message.
_COUNTS = (1, 7, 8, 9)


@dataclass(frozen=True)
class _Version:
    """A file before or after a change; Git may store the file's content under another path."""

    side: str
    name: str
    file: str
    mode: str

    @property
    def is_there(self) -> bool:
        return self.file != _NO_FILE

    @property
    def shown_name(self) -> str:
        return visible(self.name) if self.is_there else _NO_FILE

    def content(self) -> bytes:
        try:
            return Path(self.file).read_bytes() if self.is_there else b""
        except OSError as error:
            message = f"cannot read the {self.side} text: {error.strerror}"
            raise UsageError(message) from error

    def graph(self, content: bytes) -> Graph:
        if not self.is_there:
            return _NOTHING
        try:
            return parse(decode(content, file=self.name), file=self.name)
        except UsageError as error:
            message = f"the {self.side} text is not a valid pipeline: {error.message}"
            raise UsageError(message, hint=error.hint) from error


def describe_change(arguments: Sequence[str]) -> str:
    """Return the output for the arguments that Git passes to a diff driver."""
    if len(arguments) not in _COUNTS:
        hint = 'git config diff.attractor.command "attractor diff --git-driver --"'
        raise UsageError("Git passes 1 or 7 to 9 arguments to a diff driver", hint=hint)
    path, *rest = arguments
    if not rest:
        return f"pipeline {visible(path)} has a merge conflict"
    old_file, _, old_mode, new_file, _, new_mode, name, message = (*rest, "", "")[:8]
    before = _Version("old", path, old_file, old_mode)
    after = _Version("new", name or path, new_file, new_mode)
    if not before.is_there:
        head = f"pipeline {after.shown_name} was added"
    elif not after.is_there:
        head = f"pipeline {before.shown_name} was removed"
    else:
        mode = "" if before.mode == after.mode else f" (mode {before.mode} -> {after.mode})"
        if before.name == after.name:
            head = f"pipeline {after.shown_name}{mode}"
        elif "copy from" in message:
            head = f"pipeline {after.shown_name} was copied from {before.shown_name}{mode}"
        else:
            head = f"pipeline {before.shown_name} was renamed to {after.shown_name}{mode}"
    try:
        return f"{head}{_changes(before, after)}"
    except UsageError as error:
        return f"{head}: {error.message}"


def _changes(before: _Version, after: _Version) -> str:
    old, new = before.content(), after.content()
    if old == new and before.is_there and after.is_there:
        return "\nthe text is unchanged"
    try:
        graphs = before.graph(old), after.graph(new)
    except UsageError as error:
        if b"\0" in old + new:
            return f": {error.message}"
        texts = (one.decode(errors="surrogateescape") for one in (old, new))
        changed_lines = text_diff(*texts, file=after.shown_name, old_file=before.shown_name)
        return f": compared line by line, because {error.message}\n{changed_lines}"
    return f"\n{difference_text(compare(*graphs)) or NO_CHANGE}"


_TEXT = "text"
_FORMATS = (_TEXT, JSON, "svg", "png", "pdf", "dot", "mermaid")
_ENDINGS: Mapping[str, str] = {
    **{".txt": _TEXT, ".json": JSON, ".svg": "svg", ".png": "png", ".pdf": "pdf"},
    **{".dot": "dot", ".gv": "dot", ".mmd": "mermaid"},
}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="A B", shell_complete=complete_files)
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="Choose the output format (default: by the file extension of OUT, otherwise text).",
)
@json_option
@output_option("Write to this file (-: stdout).")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 1 if the pipelines differ.")
@click.option(
    "--git-driver",
    "of_git",
    is_flag=True,
    help="Accept the arguments that Git passes to a diff driver.",
)
@click.pass_obj
def diff(
    invocation: Invocation,
    files: tuple[str, ...],
    format_: str | None,
    as_json: bool,
    output: str | None,
    exit_code: bool,
    of_git: bool,
) -> ExitCode:
    """Compare two pipelines.

    A and B are files or registered versions, such as plan@3; either A or B can be - for standard
    input. Nodes, edges and attributes
    are compared; layout, comments, statement order, quotes, attribute aliases and explicit default
    values are ignored. Renamed nodes and redirected edges are recognized. With --format svg, draw
    both pipelines in one picture: green is added, red is removed, brown is changed. With --json and
    --output, write to OUT and print the differences as JSON.
    """
    if of_git:
        from attractor.cli.output.files import show_diff

        show_diff(describe_change(files), color=False)
        return ExitCode.DONE
    if len(files) != 2:
        raise UsageError("diff takes two pipelines", hint="attractor diff OLD.dot NEW.dot")
    if files == (STANDARD_INPUT, STANDARD_INPUT):
        raise UsageError(
            "only one of the pipelines can be standard input",
            hint="pass a file for the other pipeline",
        )
    requested = format_ if output else chosen_format(format_, as_json=as_json)
    chosen = format_for(requested, output, endings=_ENDINGS, default=_TEXT, noun="a difference")
    if output is None:
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
    elif os.path.realpath(output) in map(os.path.realpath, files):
        raise UsageError(
            f"the difference would overwrite {output}", hint="choose another output file"
        )
    before, after = (_read(invocation, file) for file in files)
    difference = compare(before, after)
    write_result(_made(after, difference, chosen), chosen, output)
    if as_json and output:
        write_result(_made(after, difference, JSON), JSON, None)
    return ExitCode.FAILED if exit_code and difference else ExitCode.DONE


def _read(invocation: Invocation, file: str) -> Graph:
    if file == os.devnull:
        return _NOTHING
    if _VERSION.fullmatch(file) and not Path(file).exists():
        store = opened_of(invocation).pipelines
        return parse(store.read(store.versions.find(file)).text, file=file)
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
            from attractor.language.drawing.draw import Format, render_async as render

            return asyncio.run(
                render(difference_picture(after, difference), format=Format(format_))
            )


part = diff
