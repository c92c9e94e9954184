"""Draws several pipelines and runs, one after the other, each into a file of its own."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, UsageError
from attractor.base.files import file_trouble
from attractor.cli.drawings import ENDINGS, Drawing, refuse_replacing
from attractor.cli.drawn_subjects import Readable, find_subject
from attractor.cli.failures import describe_failure
from attractor.cli.invocation import Invocation
from attractor.cli.output import show
from attractor.cli.pipeline_files import find_pipelines, refuse_input
from attractor.language.diagnostics import Diagnostic
from attractor.language.drawing.colors import Theme
from attractor.language.errors import NothingDraws, UnreadablePipeline
from attractor.language.source.text import visible


@dataclass(frozen=True)
class Order:
    """What all of the drawings have in common; without a folder each goes beside its pipeline."""

    format: str
    theme: Theme
    folder: str | None

    def drawing(self, subject: Readable) -> Drawing:
        """Return the drawing of one of them."""
        ending = next(one for one, format_ in ENDINGS.items() if format_ == self.format)
        place = subject.beside
        if self.folder is not None:
            place = Path(self.folder, place.name)
        return Drawing(subject, self.format, self.theme, f"{place}{ending}")


def are_several(words: Sequence[str], output: str | None) -> bool:
    """Tell whether each drawing gets a file of its own: for several words, or for a folder."""
    is_folder = output is not None and (output.endswith(os.sep) or Path(output).is_dir())
    return len(words) > 1 or is_folder or any(map(_is_searched, words))


def draw_all(words: Sequence[str], order: Order, invocation: Invocation) -> ExitCode:
    """Draw what the words name; what cannot be drawn is told, and the others are drawn."""
    refuse_input(words, why="standard input is drawn alone", hint="name the files without -")
    if order.folder is not None and os.path.splitext(order.folder)[1].lower() in ENDINGS:  # noqa: PTH122
        message = f"several drawings do not fit into {order.folder}"
        raise UsageError(message, hint="name a folder: -o FOLDER")
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


def _draw_each(drawings: Iterable[Drawing]) -> list[AttractorError]:
    failed: list[AttractorError] = []
    for one in drawings:
        try:
            one.draw()
        except NothingDraws:
            # Neither could any other be drawn.
            raise
        except AttractorError as error:
            _tell(error)
            failed.append(error)
        else:
            show(visible(f"drawn: {one.output}"))
    return failed


def _find(words: Sequence[str], invocation: Invocation) -> Iterator[Readable | AttractorError]:
    """Yield what is to be drawn, each thing once, and why a word names nothing."""
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
    """Refuse what would replace a pipeline, or one drawing by another."""
    by_place: dict[str, Drawing] = {}
    for one in drawings:
        refuse_replacing(one.subject, one.output or "")
        place = os.path.realpath(one.output or "")
        other = by_place.setdefault(place, one)
        if other is not one:
            names = " and ".join(next(iter(each.subject.files())) for each in (other, one))
            raise UsageError(f"{names} would both become {one.output}", hint="draw them apart")


def _make(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_trouble("make", folder, cause) from cause


def _tell(error: AttractorError) -> None:
    show(visible(describe_failure(error).line()), err=True)
