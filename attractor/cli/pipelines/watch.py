"""Checks a pipeline again when the pipeline or a file that it uses changes."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from watchfiles import watch

from attractor.base.dataclasses import dataclass
from attractor.cli.pipelines.check import CheckResult, PipelineChecker
from attractor.cli.pipelines.files import find_pipelines, open_pipelines
from attractor.language.diagnostics import Diagnostic, UnreadablePipeline
from attractor.language.source.text import Source, visible
from attractor.pipeline.source.vocabulary import files_beside

# Polling finds changes that the kernel does not report: link targets, new folders, network files.
_LOOK_AGAIN_MS = 2_000

_Look = dict[str, tuple[int, int, int] | None]


def changed_files(find: Callable[[], Iterable[str]]) -> Iterator[frozenset[str]]:
    """Yield the names of changed, new and removed files; the first result contains all files.

    `find` is called at each check and returns the files. KeyboardInterrupt ends the loop.
    """
    seen: _Look = {}
    is_first = True
    while True:
        look = _look(find())
        changed = frozenset(one for one in look | seen if look.get(one) != seen.get(one, ()))
        seen = look
        if changed or is_first:
            is_first = False
            # A change during the yield is seen at the next check.
            yield changed
            continue
        for _ in watch(
            *sorted(_folders(seen)),
            watch_filter=None,
            recursive=False,
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
        ):
            if _look(find()) != seen:
                break


def _look(files: Iterable[str]) -> _Look:
    return {file: _signature(file) for file in files}


def _signature(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _folders(files: Iterable[str]) -> frozenset[str]:
    """Return the folders to watch; watching a file itself would miss its replacement."""
    folders = {os.path.dirname(file) or "." for file in files}  # noqa: PTH120
    return frozenset(one for one in folders if os.path.isdir(one)) or frozenset({"."})  # noqa: PTH112


class _FilesUsed:
    """The files beside a pipeline.

    Records the names of all requested files, including names of missing files.
    """

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
    """The state of a pipeline at the last check of this pipeline."""

    text: str
    files_used: _FilesUsed
    diagnostics: Sequence[Diagnostic]

    def is_current(self, source: Source) -> bool:
        parts = self.files_used.content.items()
        return source.text == self.text and all(self.files_used.look(n) == was for n, was in parts)


class PipelineCheck(NamedTuple):
    """Diagnostics of one check, and the files removed since the last check."""

    result: CheckResult
    gone: Sequence[str]

    def summary(self) -> str:
        """Return the number of diagnostics and the removed files."""
        has_found = self.result.sources or self.result.diagnostics
        found = [self.result.summary()] if has_found or not self.gone else []
        return "; ".join([*found, *(visible(f"removed: {one}") for one in self.gone)])


def watch_pipelines(
    words: Sequence[str], checker: PipelineChecker, *, shows_all: bool
) -> Iterator[PipelineCheck]:
    """Yield diagnostics of changed pipelines, or of all pipelines after a change."""
    known: dict[str, _Known] = {}
    unread: Sequence[Diagnostic] | None = None
    for _ in changed_files(lambda: _files(words, known)):
        opened = open_pipelines(words)
        gone = sorted(known.keys() - {source.file for source in opened.sources})
        gone = [file for file in gone if not os.path.lexists(file)]
        for file in gone:
            # A removed file that is restored is checked again, even if unchanged.
            del known[file]
        touched = [
            source
            for source in opened.sources
            if source.file not in known or not known[source.file].is_current(source)
        ]
        known.update({one.file: _check(one, checker) for one in touched})
        if touched or gone or unread != opened.unread:
            shown = opened.sources if shows_all else touched
            found = [diagnostic for one in shown for diagnostic in known[one.file].diagnostics]
            yield PipelineCheck(CheckResult(shown, [*found, *opened.unread]), gone)
        unread = opened.unread


def _files(words: Sequence[str], known: Mapping[str, _Known]) -> Iterator[str]:
    """Yield each pipeline, and the files that the pipeline used when it was checked."""
    for file in find_pipelines(words):
        if isinstance(file, Diagnostic):
            yield file.span.file
            continue
        yield file
        folder = os.path.dirname(file)  # noqa: PTH120
        for name in known[file].files_used.content if file in known else ():
            yield os.path.join(folder, name)  # noqa: PTH118


def _check(source: Source, checker: PipelineChecker) -> _Known:
    files_used = _FilesUsed(source.file)
    prepared = checker.check(source.text, file=source.file, files=files_used)
    return _Known(source.text, files_used, prepared.diagnostics)
