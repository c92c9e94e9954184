"""Draw pipelines and the progress of runs."""

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol

import click
from click.core import ParameterSource

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, UsageError
from attractor.base.files import file_error
from attractor.cli.invocation import JSON, Invocation, chosen_format, json_option
from attractor.cli.main import describe_failure
from attractor.cli.output.files import (
    format_for,
    output_option,
    refuse_binary_on_terminal,
    write_result,
)
from attractor.cli.output.streams import show
from attractor.cli.pipelines.files import (
    STANDARD_INPUT,
    find_pipelines,
    gallery_files,
    open_pipeline,
    refuse_input,
)
from attractor.cli.shell_completion import complete_files_and_runs
from attractor.language.diagnostics import (
    Diagnostic,
    DrawingFailed,
    InvalidPipeline,
    NoDrawingProgram,
    UnreadablePipeline,
    as_text,
)
from attractor.language.drawing.draw import Format, render_async as drawn
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.run_overlay import RunStates, overlay
from attractor.language.drawing.theme import Theme
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import TransformContext, transform_all
from attractor.language.reading import parse
from attractor.language.source.text import Source, visible
from attractor.pipeline.source.find import is_pipeline_name
from attractor.pipeline.source.gallery import gallery_version
from attractor.pipeline.source.vocabulary import files_beside


@dataclass(frozen=True)
class Subject:
    """A graph to draw, with the states of the run's stages and with diagnostics."""

    graph: Graph
    states: RunStates | None = None
    found: Sequence[Diagnostic] = ()

    @property
    def picture(self) -> Picture:
        """Return the picture to draw."""
        return overlay(self.graph, self.states) if self.states else Picture(self.graph)


class Drawable(Protocol):
    """A drawing's input, which can be read again after a change."""

    @property
    def beside(self) -> Path:
        """The default output path, without extension."""
        ...

    def files(self) -> Iterable[str]:
        """Return the input files known so far."""
        ...

    def read(self) -> Subject:
        """Read the current state."""
        ...


class _FilesUsed:
    """The files beside a pipeline.

    Records the names of all requested files, including names of missing files.
    """

    def __init__(self, file: Path) -> None:
        self._files = files_beside(file)
        self.names: dict[str, None] = {}

    def read(self, name: str) -> bytes:
        self.names[name] = None
        return self._files.read(name)


@dataclass
class DrawablePipeline:
    """A pipeline file, and the files that the pipeline names."""

    file: str
    _parts: tuple[str, ...] = field(default=())

    @property
    def beside(self) -> Path:
        """The path beside the pipeline file, or of the gallery in the current folder."""
        place = Path(self.file).with_suffix("")
        return Path(place.name) if gallery_version(Path(self.file)) else place

    def files(self) -> Iterable[str]:
        """Return the pipeline file and the files that the pipeline named when it was last read."""
        return (self.file, *self._parts)

    def read(self) -> Subject:
        """Read the pipeline; unreadable parts become diagnostics."""
        source = open_pipeline(self.file).source
        folder = Path(source.file).parent
        graph = parse(source.text, file=source.file)
        files_used = _FilesUsed(Path(source.file))
        context = TransformContext(files=files_used)
        graph = transform_all(graph, context=context)
        self._parts = tuple(os.path.join(folder, name) for name in files_used.names)  # noqa: PTH118
        return Subject(graph, found=tuple(context.found))


@dataclass(frozen=True)
class DrawableRun:
    """A run directory."""

    root: Path

    @property
    def beside(self) -> Path:
        """The path in the current folder, with the run id as file name."""
        return Path(self.root.name)

    def files(self) -> Iterable[str]:
        """Return the paths of the graph file and of the journal."""
        return (str(self.root / "graph.dot"), str(self.root / "events.jsonl"))

    def read(self) -> Subject:
        """Read the graph and the journal of the run."""
        from attractor.engine.run_folder.layout import RunDirectory
        from attractor.records.drawing import read_drawn

        found = read_drawn(RunDirectory(self.root))
        return Subject(found.graph, found.states)


def find_subject(word: str, invocation: Invocation) -> Drawable:
    """Return the file or run that an argument names."""
    is_file = word == STANDARD_INPUT or Path(word).is_file()
    if is_file or is_pipeline_name(word):
        return DrawablePipeline(word)
    from attractor.records.lookup import find_run

    try:
        root = find_run(word, invocation.configuration.settings.runs_dir)
    except UsageError as error:
        message = f"{word} is neither a file nor a run: {error.message}"
        raise UsageError(message, hint=error.hint) from error
    return DrawableRun(root)


FORMATS = (*(one.value for one in Format), JSON)
"""Output formats."""

ENDINGS: Mapping[str, str] = {
    ".svg": Format.SVG,
    ".png": Format.PNG,
    ".pdf": Format.PDF,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".mmd": Format.MERMAID,
    ".json": JSON,
}
"""Formats by file extension."""

_IN_COLOR = frozenset({Format.SVG, Format.PNG, Format.PDF, Format.DOT})


@dataclass(frozen=True)
class Drawing:
    """A subject to draw, with format, theme and output file."""

    subject: Drawable
    format: str
    theme: Theme
    output: str | None

    def draw(self, *, prints_record: bool = False) -> None:
        """Draw once, and print diagnostics; with `prints_record`, print the graph as JSON, too."""
        subject = self.subject.read()
        self._tell(subject)
        write_result(self._make(subject), self.format, self.output)
        if prints_record:
            write_result(_record(subject), JSON, None)

    def watch(self) -> None:
        """Draw after each change; if an error occurs, print the error and keep the last drawing."""
        from attractor.cli.pipelines.watch import changed_files

        last = b""
        for _ in changed_files(self.subject.files):
            try:
                subject = self.subject.read()
                self._tell(subject)
                made = self._make(subject)
            except (InvalidPipeline, UnreadablePipeline, DrawingFailed) as trouble:
                for line in _error_lines(trouble):
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
            from attractor.language.drawing.style import unknown_colors

            yield from (replace(one, rule="color_known") for one in unknown_colors(subject.graph))

    def _make(self, subject: Subject) -> bytes:
        if self.format == JSON:
            return _record(subject)
        format_ = Format(self.format)
        return asyncio.run(drawn(subject.picture, format=format_, theme=self.theme))


def _record(subject: Subject) -> bytes:
    import json

    from attractor.language.drawing.run_overlay import states_record

    record: dict[str, object] = {**subject.graph.to_dict()}
    if subject.states:
        record["run"] = states_record(subject.states)
    return json.dumps(record, indent=2, ensure_ascii=False).encode()


def refuse_overwriting(subject: Drawable, output: str) -> None:
    """Refuse an output file that is also an input file."""
    if os.path.realpath(output) in map(os.path.realpath, subject.files()):
        raise UsageError(f"the drawing would overwrite {output}", hint="choose another output file")


def _error_lines(trouble: InvalidPipeline | UnreadablePipeline | DrawingFailed) -> Iterator[str]:
    if not isinstance(trouble, InvalidPipeline):
        yield f"error: {trouble.message}" + (f" ({trouble.hint})" if trouble.hint else "")
        return
    yield from _lines(trouble.diagnostics)


def _lines(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    sources: dict[str, Source | None] = {}
    for diagnostic in diagnostics:
        file = diagnostic.span.file
        if file not in sources:
            from attractor.language.reading import open_source

            try:
                source = open_source(file) if file else None
            except UnreadablePipeline:
                source = None
            sources[file] = source
        yield as_text(diagnostic, sources[file])


@dataclass(frozen=True)
class DrawingOptions:
    """Options shared by several drawings; without a folder, each drawing is written beside its
    pipeline.
    """

    format: str
    theme: Theme
    folder: str | None

    def drawing(self, subject: Drawable) -> Drawing:
        """Return the drawing of one subject."""
        ending = next(one for one, format_ in ENDINGS.items() if format_ == self.format)
        place = subject.beside
        if self.folder is not None:
            place = Path(self.folder, place.name)
        return Drawing(subject, self.format, self.theme, f"{place}{ending}")


def are_several(words: Sequence[str], output: str | None) -> bool:
    """Return whether each drawing gets a file of its own: for several arguments or a folder."""
    is_folder = output is not None and (output.endswith(os.sep) or Path(output).is_dir())
    return len(words) > 1 or is_folder or any(map(_is_searched, words))


def draw_all(words: Sequence[str], order: DrawingOptions, invocation: Invocation) -> ExitCode:
    """Draw all subjects; if a drawing fails, print the error and continue with the next subject."""
    refuse_input(
        words, why="standard input cannot be combined with other pipelines", hint="remove '-'"
    )
    if order.folder is not None and os.path.splitext(order.folder)[1].lower() in ENDINGS:  # noqa: PTH122
        raise _several_to(order.folder)
    found = list(_find(words, invocation))
    drawings = [order.drawing(one) for one in found if not isinstance(one, AttractorError)]
    _refuse_clashes(drawings)
    if order.folder is not None:
        _make(order.folder)
    failed = [one for one in found if isinstance(one, AttractorError)]
    for one in failed:
        _tell(one)
    failed += _draw_each(drawings)
    show(f"{len(found) - len(failed)} drawn, {len(failed) or 'none'} failed")
    return max((one.exit_code for one in failed), default=ExitCode.DONE)


def _several_to(place: str) -> UsageError:
    message = f"cannot write several drawings to {place}"
    return UsageError(message, hint="pass a folder: -o FOLDER")


def _draw_each(drawings: Iterable[Drawing]) -> list[AttractorError]:
    failed: list[AttractorError] = []
    for drawing in drawings:
        try:
            drawing.draw()
        except NoDrawingProgram:
            # The other drawings would fail, too.
            raise
        except AttractorError as error:
            _tell(error)
            failed.append(error)
        else:
            show(visible(f"drawn: {drawing.output}"))
    return failed


def _find(words: Sequence[str], invocation: Invocation) -> Iterator[Drawable | AttractorError]:
    """Yield each subject once; for an invalid argument, yield the error."""
    seen: set[str] = set()
    for word in words:
        for file in find_pipelines([word]) if _is_searched(word) else [word]:
            if isinstance(file, Diagnostic):
                yield UnreadablePipeline(file.message, hint=file.fix)
                continue
            try:
                subject = find_subject(file, invocation)
            except UsageError as error:
                yield error
                continue
            real = os.path.realpath(next(iter(subject.files())))
            if real not in seen:
                seen.add(real)
                yield subject


def _is_searched(word: str) -> bool:
    return Path(word).is_dir() and not Path(word, "manifest.json").exists()


def _refuse_clashes(drawings: Iterable[Drawing]) -> None:
    """Refuse a drawing that would overwrite a pipeline or another drawing."""
    by_place: dict[str, Drawing] = {}
    for drawing in drawings:
        refuse_overwriting(drawing.subject, drawing.output or "")
        place = os.path.realpath(drawing.output or "")
        other = by_place.setdefault(place, drawing)
        if other is not drawing:
            names = " and ".join(next(iter(each.subject.files())) for each in (other, drawing))
            raise UsageError(
                f"{names} would both be written to {drawing.output}", hint="draw them separately"
            )


def _make(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("make", folder, cause) from cause


def _tell(error: AttractorError) -> None:
    show(visible(describe_failure(error).line()), err=True)


@click.command()
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="FILE|RUN...",
    callback=gallery_files,
    shell_complete=complete_files_and_runs,
)
@output_option("Write to this file, or several drawings into this folder.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Choose the output format (default: by the file extension of OUT, otherwise svg).",
)
@click.option(
    "--theme",
    type=click.Choice([one.value for one in Theme]),
    default=Theme.AUTO.value,
    show_default=True,
    help="Choose the colors; with auto, an SVG follows the viewer's light or dark mode.",
)
@click.option("--watch", is_flag=True, help="Draw again when a file changes, until Ctrl-C.")
@json_option
@click.pass_obj
def render(
    invocation: Invocation,
    words: tuple[str, ...],
    output: str | None,
    format_: str | None,
    theme: str,
    watch: bool,
    as_json: bool,
) -> ExitCode:
    """Draw pipelines and the progress of runs.

    FILE is a pipeline, a name such as gallery:bug_fix, or - for standard input. RUN is a run id, a
    unique prefix of a run id, a run directory, or 'latest'. The drawing of a run shows states,
    visits and times. Without --output, print the drawing to standard output. In an SVG, nodes have
    the element id node-ID, and edges have edge-FROM-TO. With --json or --format json, list every
    node and edge with all attributes, including attributes inherited from node [...] and edge
    [...]; with --json and --output, draw to OUT and print this list.

    Several pipelines, or the pipelines of a folder, are drawn beside their files or into the folder
    OUT. If a drawing fails, the other drawings are still made, and the command exits with the exit
    status of the failure.
    """
    requested = format_ if output else chosen_format(format_, as_json=as_json)
    if are_several(words, output):
        if watch or as_json:
            word = "--watch" if watch else "--json"
            raise UsageError(f"{word} takes one pipeline or run", hint="pass only one")
        named = click.get_current_context().get_parameter_source("output")
        if output is None and named is ParameterSource.COMMANDLINE:
            raise _several_to("standard output")
        return draw_all(
            words, DrawingOptions(requested or Format.SVG, Theme(theme), output), invocation
        )
    [word] = words
    if watch:
        _check_watched(word, output, as_json=as_json)
    subject = find_subject(word, invocation)
    if output:
        refuse_overwriting(subject, output)
    chosen = format_for(requested, output, endings=ENDINGS, default=Format.SVG, noun="a drawing")
    if not output:
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
    drawing = Drawing(subject, chosen, Theme(theme), output)
    if watch:
        # Ctrl-C is the normal end.
        with suppress(KeyboardInterrupt):
            drawing.watch()
        return ExitCode.INTERRUPTED
    drawing.draw(prints_record=as_json and output is not None)
    return ExitCode.DONE


def _check_watched(word: str, output: str | None, *, as_json: bool) -> None:
    if not output or word == STANDARD_INPUT:
        raise UsageError(
            "--watch requires a file and --output", hint="attractor render FILE -o OUT --watch"
        )
    if as_json:
        hint = "remove --json; an OUT with the extension .json gets JSON"
        raise UsageError("--watch cannot be combined with --json", hint=hint)


part = render
