"""Checks pipelines again whenever they change, or a file that they are made of.

Tells when files change.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from watchfiles import watch

from attractor.base.dataclasses import dataclass
from attractor.cli.pipelines.check import Judge, Judged
from attractor.cli.pipelines.files import find_pipelines, open_pipelines
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import UnreadablePipeline
from attractor.language.source.text import Source, visible
from attractor.pipeline.source.vocabulary import files_beside

# What the kernel does not tell (a link's target, a new folder, a file of another machine) is seen
# when we look again by ourselves.
_LOOK_AGAIN_MS = 2_000

_Look = dict[str, tuple[int, int, int] | None]


def changed_files(find: Callable[[], Iterable[str]]) -> Iterator[frozenset[str]]:
    """Yield the names of files that changed, came or went; at first all of them.

    Which files there are is asked anew at each look. It ends with KeyboardInterrupt.
    """
    seen: _Look = {}
    is_first = True
    while True:
        look = _look(find())
        changed = frozenset(one for one in look | seen if look.get(one) != seen.get(one, ()))
        seen = look
        if changed or is_first:
            is_first = False
            # What changes meanwhile is seen when we look again.
            yield changed
            continue
        for _ in _wakes(_folders(seen)):
            if _look(find()) != seen:
                break


def _wakes(folders: frozenset[str]) -> Iterator[object]:
    return watch(
        *sorted(folders),
        watch_filter=None,
        recursive=False,
        rust_timeout=_LOOK_AGAIN_MS,
        yield_on_timeout=True,
    )


def _look(files: Iterable[str]) -> _Look:
    return {file: _signature(file) for file in files}


def _signature(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _folders(files: Iterable[str]) -> frozenset[str]:
    """Return the folders to listen to; a file itself would not be there any more when replaced."""
    folders = {os.path.dirname(file) or "." for file in files}  # noqa: PTH120
    return frozenset(one for one in folders if os.path.isdir(one)) or frozenset({"."})  # noqa: PTH112


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


class PipelineCheck(NamedTuple):
    """What was found in pipelines at one look, and the files that are not there any more."""

    judged: Judged
    gone: Sequence[str]

    def summary(self) -> str:
        """Return how much was found, and what is gone."""
        has_found = self.judged.sources or self.judged.diagnostics
        found = [self.judged.summary()] if has_found or not self.gone else []
        return "; ".join([*found, *(visible(f"gone: {one}") for one in self.gone)])


def watch_pipelines(
    words: Sequence[str], judge: Judge, *, all_anew: bool
) -> Iterator[PipelineCheck]:
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
            yield PipelineCheck(Judged(shown, [*found, *opened.unread]), gone)
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
