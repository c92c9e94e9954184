"""Makes a drawing of a pipeline or a run, and puts it where it belongs."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.cli.drawn_subjects import Readable, Subject
from attractor.cli.formats import write_result
from attractor.cli.options import JSON
from attractor.cli.output import show
from attractor.language.diagnostic_output import as_text
from attractor.language.diagnostics import Diagnostic
from attractor.language.drawing.colors import Theme
from attractor.language.drawing.draw import Format
from attractor.language.drawing.draw import render_async as drawn
from attractor.language.errors import DrawingFailed, InvalidPipeline, UnreadablePipeline
from attractor.language.source.text import Source

FORMATS = (*(one.value for one in Format), JSON)
"""What can be made."""

ENDINGS: Mapping[str, str] = {
    ".svg": Format.SVG,
    ".png": Format.PNG,
    ".pdf": Format.PDF,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".mmd": Format.MERMAID,
    ".json": JSON,
}
"""The endings of files, and what they say of the format."""

_IN_COLOR = frozenset({Format.SVG, Format.PNG, Format.PDF, Format.DOT})


@dataclass(frozen=True)
class Drawing:
    """What is drawn, how, and where to."""

    subject: Readable
    format: str
    theme: Theme
    output: str | None

    def draw(self) -> None:
        """Draw it once, and say what is odd about it."""
        subject = self.subject.read()
        self._tell(subject)
        write_result(self._make(subject), self.format, self.output)

    def watch(self) -> None:
        """Draw again and again; what cannot be drawn is told, and the last drawing stays."""
        from attractor.cli.watching import changed_files

        last = b""
        for _ in changed_files(self.subject.files):
            try:
                subject = self.subject.read()
                self._tell(subject)
                made = self._make(subject)
            except (InvalidPipeline, UnreadablePipeline, DrawingFailed) as trouble:
                for line in _told(trouble):
                    show(line, err=True)
                continue
            if made != last:
                write_result(made, self.format, self.output)
                show(f"drawn: {self.output}", err=True)
            last = made

    def _tell(self, subject: Subject) -> None:
        for line in _lines([*subject.found, *self._odd_colors(subject)]):
            show(line, err=True)

    def _odd_colors(self, subject: Subject) -> Iterator[Diagnostic]:
        if self.format in _IN_COLOR:
            from attractor.language.drawing.colors import RULE, unknown_colors

            yield from (replace(one, rule=RULE) for one in unknown_colors(subject.graph))

    def _make(self, subject: Subject) -> bytes:
        if self.format == JSON:
            return _json(subject).encode()
        format_ = Format(self.format)
        return asyncio.run(drawn(subject.picture, format=format_, theme=self.theme))


def refuse_replacing(subject: Readable, output: str) -> None:
    """Refuse a drawing of which nothing would be left but the drawing."""
    if os.path.realpath(output) in map(os.path.realpath, subject.files()):
        raise UsageError(f"the drawing would replace {output}", hint="give it another name")


def _told(trouble: InvalidPipeline | UnreadablePipeline | DrawingFailed) -> Iterator[str]:
    if not isinstance(trouble, InvalidPipeline):
        yield f"error: {trouble.message}" + (f" ({trouble.hint})" if trouble.hint else "")
        return
    yield from _lines(trouble.diagnostics)


def _lines(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    sources: dict[str, Source | None] = {}
    for one in diagnostics:
        file = one.span.file
        if file not in sources:
            sources[file] = _source_of(file)
        yield as_text(one, sources[file])


def _source_of(file: str) -> Source | None:
    from attractor.language.source.parse import open_source

    try:
        return open_source(file) if file else None
    except UnreadablePipeline:
        return None


def _json(subject: Subject) -> str:
    import json

    from attractor.language.drawing.run_overlay import states_record
    from attractor.language.graph.builder import graph_record

    record = graph_record(subject.graph)
    if subject.states:
        record["run"] = states_record(subject.states)
    return json.dumps(record, indent=2, ensure_ascii=False)
