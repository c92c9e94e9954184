"""Checks pipelines again whenever they change, or a file that they are made of."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.cli.diagnosing import Judge, Judged
from attractor.cli.pipeline_files import find_pipelines, open_pipelines
from attractor.cli.watching import changed_files
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import UnreadablePipeline
from attractor.language.source.text import Source, visible
from attractor.pipeline.registered_names import files_beside


class _Asked:
    """The files beside a pipeline; it remembers what was asked for, even what is not there."""

    def __init__(self, file: str) -> None:
        self._files = files_beside(Path(file))
        self.content: dict[str, bytes | None] = {}

    def read(self, name: str) -> bytes:
        self.content[name] = self.look(name)
        return self._files.read(name)

    def look(self, name: str) -> bytes | None:
        try:
            return self._files.read(name)
        except UnreadablePipeline:
            return None


@dataclass(frozen=True)
class _Known:
    """A pipeline as it was when it was checked."""

    text: str
    asked: _Asked
    diagnostics: Sequence[Diagnostic]

    def is_current(self, source: Source) -> bool:
        parts = self.asked.content.items()
        return source.text == self.text and all(self.asked.look(n) == was for n, was in parts)


class Seen(NamedTuple):
    """What was found in pipelines at one look, and the files that are not there any more."""

    judged: Judged
    gone: Sequence[str]

    def summary(self) -> str:
        """Return how much was found, and what is gone."""
        has_found = self.judged.sources or self.judged.diagnostics
        found = [self.judged.summary()] if has_found or not self.gone else []
        return "; ".join([*found, *(visible(f"gone: {one}") for one in self.gone)])


def watch_pipelines(words: Sequence[str], judge: Judge, *, all_anew: bool) -> Iterator[Seen]:
    """Yield what is found in the pipelines that changed, or in all of them whenever one did."""
    known: dict[str, _Known] = {}
    unread: Sequence[Diagnostic] | None = None
    for _ in changed_files(lambda: _files(words, known)):
        opened = open_pipelines(words)
        gone = sorted(known.keys() - {one.file for one in opened.sources})
        gone = [file for file in gone if not os.path.lexists(file)]
        for file in gone:
            # When it comes back it is checked, even if it is what it was.
            del known[file]
        touched = [one for one in opened.sources if not _is_current(one, known)]
        known.update({one.file: _check(one, judge) for one in touched})
        if touched or gone or unread != opened.unread:
            shown = opened.sources if all_anew else touched
            found = [diagnostic for one in shown for diagnostic in known[one.file].diagnostics]
            yield Seen(Judged(shown, [*found, *opened.unread]), gone)
        unread = opened.unread


def _files(words: Sequence[str], known: Mapping[str, _Known]) -> Iterator[str]:
    """Yield each pipeline, and the files that it asked for when it was checked."""
    for file in find_pipelines(words):
        if isinstance(file, Diagnostic):
            yield file.span.file
            continue
        yield file
        folder = os.path.dirname(file)  # noqa: PTH120
        for name in known[file].asked.content if file in known else ():
            yield os.path.join(folder, name)  # noqa: PTH118


def _is_current(source: Source, known: Mapping[str, _Known]) -> bool:
    return source.file in known and known[source.file].is_current(source)


def _check(source: Source, judge: Judge) -> _Known:
    asked = _Asked(source.file)
    prepared = judge.check(source.text, file=source.file, files=asked)
    return _Known(source.text, asked, prepared.diagnostics)
