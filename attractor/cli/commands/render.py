"""Draw a pipeline, or how far a run has come."""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from attractor.base.atomic_files import write_whole
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.drawn_subjects import Readable, Subject, find_subject
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show
from attractor.cli.pipeline_files import STANDARD_INPUT
from attractor.language.draw import Format, Theme
from attractor.language.draw import render as drawn
from attractor.language.errors import DrawingFailed, InvalidPipeline, UnreadablePipeline
from attractor.language.report import as_text
from attractor.language.sources import Source

_JSON = "json"
_ENDINGS = {
    **{f".{one.value}": one.value for one in Format},
    **{".gv": Format.DOT.value, ".mmd": Format.MERMAID.value, ".json": _JSON},
}
_NO_TEXTS = frozenset({Format.PNG.value, Format.PDF.value})


@click.command()
@click.argument("word", metavar="FILE|RUN")
@click.option("-o", "--output", "output", metavar="OUT", help="Write into this file instead.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([*(one.value for one in Format), _JSON]),
    help="What to make of it; unless said, what the ending of OUT says, else svg.",
)
@click.option(
    "--theme",
    type=click.Choice([one.value for one in Theme]),
    default=Theme.AUTO.value,
    show_default=True,
    help="The surroundings it is for; auto is an SVG that suits itself to both.",
)
@click.option("--watch", is_flag=True, help="Draw again whenever a file changes, until Ctrl-C.")
@json_option
@click.pass_obj
def render(
    invocation: Invocation,
    word: str,
    output: str | None,
    format_: str | None,
    theme: str,
    watch: bool,
    as_json: bool,
) -> ExitCode:
    """Draw a pipeline, or how far a run has come.

    FILE is a pipeline, or - for standard input. RUN is an id, the beginning of one, a run
    directory, or 'latest': states, visits and times are drawn in. The drawing goes to standard
    output, or into a file. In an SVG a node has the id node-ID, an edge edge-FROM-TO. With --format
    json every node and edge is listed with its attributes, those from default blocks among them.
    """
    chosen = _JSON if as_json else format_ or _format_of(output)
    subject = find_subject(word, invocation)
    drawing = _Drawing(subject, chosen, Theme(theme), output)
    _refuse(word, drawing, watch=watch)
    if watch:
        drawing.watch()
    drawing.put(drawing.make(subject.read()))
    return ExitCode.DONE


@dataclass(frozen=True)
class _Drawing:
    """What is drawn, how, and where to."""

    subject: Readable
    format: str
    theme: Theme
    output: str | None

    @property
    def is_text(self) -> bool:
        return self.format not in _NO_TEXTS

    def make(self, subject: Subject) -> bytes:
        if self.format == _JSON:
            return _json(subject).encode()
        format_ = Format(self.format)
        return asyncio.run(drawn(subject.picture, format=format_, theme=self.theme))

    def put(self, made: bytes) -> None:
        whole = made.rstrip() + b"\n" if self.is_text else made
        if self.output:
            write_whole(self.output, whole)
        elif self.is_text:
            show(whole.decode().rstrip("\n"))
        else:
            sys.stdout.buffer.write(whole)

    def watch(self) -> None:
        """Draw again and again; what cannot be drawn is told, and the last drawing stays."""
        from attractor.cli.watching import changed_files

        last = b""
        for _ in changed_files(self.subject.files):
            try:
                made = self.make(self.subject.read())
            except (InvalidPipeline, UnreadablePipeline, DrawingFailed) as trouble:
                for line in _told(trouble):
                    show(line, err=True)
                continue
            if made != last:
                self.put(made)
                show(f"drawn: {self.output}", err=True)
            last = made


def _told(trouble: InvalidPipeline | UnreadablePipeline | DrawingFailed) -> Iterator[str]:
    if not isinstance(trouble, InvalidPipeline):
        yield f"error: {trouble.message}" + (f" ({trouble.hint})" if trouble.hint else "")
        return
    for one in trouble.diagnostics:
        yield as_text(one, _source_of(one.span.file))


def _source_of(file: str) -> Source | None:
    from attractor.language.parsing import open_source

    try:
        return open_source(file)
    except UnreadablePipeline:
        return None


def _format_of(output: str | None) -> str:
    ending = Path(output or "").suffix.lower()
    if not ending:
        return Format.SVG.value
    if ending not in _ENDINGS:
        known = ", ".join(_ENDINGS)
        raise UsageError(f"a drawing does not end with {ending}", hint=f"{known}, or --format")
    return _ENDINGS[ending]


def _refuse(word: str, drawing: _Drawing, *, watch: bool) -> None:
    output = drawing.output
    if watch and (not output or word == STANDARD_INPUT):
        raise UsageError("--watch reads a file and writes one", hint="name both: FILE -o OUT")
    if output and os.path.realpath(output) in map(os.path.realpath, drawing.subject.files()):
        raise UsageError(f"the drawing would replace {output}", hint="give it another name")
    if not output and not drawing.is_text and sys.stdout.isatty():
        hint = f"write it into a file: -o OUT.{drawing.format}"
        raise UsageError(f"a terminal cannot show a {drawing.format.upper()}", hint=hint)


def _json(subject: Subject) -> str:
    import json

    from attractor.language.drawing.stage_states import states_record
    from attractor.language.records import graph_record

    record = graph_record(subject.graph)
    if subject.states:
        record["run"] = states_record(subject.states)
    return json.dumps(record, indent=2, ensure_ascii=False)


part = render
