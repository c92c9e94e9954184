"""Finds, reads and writes pipeline files; keeps the line endings."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, UsageError
from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Diagnostic, UnreadablePipeline, error
from attractor.language.reading import decode
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import TEXT_OR_COMMENT, Source
from attractor.pipeline.source.find import find_pipeline_files
from attractor.pipeline.source.gallery import find_in_gallery, is_gallery_word

STANDARD_INPUT = "-"
UNREADABLE = "readable_file"
_STDIN = "<stdin>"
_MARK = "\N{BYTE ORDER MARK}"


def gallery_files(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Return the value of an argument, with files in place of names such as `gallery:bug_fix`."""
    match value:
        case tuple():
            words = cast("tuple[object, ...]", value)
            return tuple(gallery_files(context, parameter, word) for word in words)
        case str() | Path() if is_gallery_word(str(value)):
            return type(value)(find_in_gallery(str(value)))
        case _:
            return value


@dataclass(frozen=True)
class PipelineFile:
    """The text of a file, and the byte order mark of the file, which is kept on writing."""

    source: Source
    mark: str = ""


@dataclass(frozen=True)
class OpenedPipelines:
    """The readable files, and the diagnostics of unreadable files."""

    files: tuple[PipelineFile, ...]
    unread: tuple[Diagnostic, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The texts of the readable files."""
        return tuple(file.source for file in self.files)


def open_pipelines(words: Sequence[str]) -> OpenedPipelines:
    """Read all named pipelines, from files, folders or standard input."""
    files: list[PipelineFile] = []
    unread: list[Diagnostic] = []
    for file in find_pipelines(words):
        if isinstance(file, Diagnostic):
            unread.append(file)
            continue
        try:
            files.append(open_pipeline(file))
        except UnreadablePipeline as trouble:
            unread.append(_unread(file, trouble.message, trouble.hint))
    return OpenedPipelines(tuple(files), tuple(unread))


def open_pipeline(file: str) -> PipelineFile:
    """Read one file or standard input."""
    is_input = file == STANDARD_INPUT
    content = _read_input() if is_input else _read_file(file)
    name = _STDIN if is_input else file
    mark = _MARK if content.startswith(_MARK.encode()) else ""
    return PipelineFile(Source(decode(content, file=name), name), mark)


def find_pipelines(words: Sequence[str]) -> Iterator[str | Diagnostic]:
    """Yield each pipeline file once, and a diagnostic for a folder without pipeline files."""
    seen: set[str] = set()
    for word in words:
        for found in _search(word) if os.path.isdir(word) else [word]:  # noqa: PTH112
            real = os.path.realpath(found) if isinstance(found, str) else ""
            if real not in seen:
                yield found
            seen |= {real} if real else set()


def write_pipeline(file: str, text: str) -> None:
    """Write a text to a pipeline file; a symbolic link is kept."""
    from attractor.base.files import write_whole

    real = os.path.realpath(file)
    if not os.access(real, os.W_OK):
        raise FileError(f"cannot write {file}: it is write-protected", hint="chmod u+w it first")
    write_whole(real, text)


def refuse_input(words: Sequence[str], *, why: str, hint: str) -> None:
    """Refuse standard input."""
    if STANDARD_INPUT in words:
        raise UsageError(why, hint=hint)


def _search(folder: str) -> Iterator[str | Diagnostic]:
    found = 0
    troubles: list[OSError] = []
    for file in find_pipeline_files(folder, troubles.append):
        found += 1
        yield file
    for trouble in troubles:
        file = str(trouble.filename)
        yield _unread(file, f"cannot read {file}: {trouble.strerror}")
    if not found and not troubles:
        message = f"no pipeline in {folder}: it contains no .dot or .gv file"
        yield _unread(folder, message, "pass the file itself, or the folder that contains it")


def _read_file(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        raise UnreadablePipeline(f"cannot read {file}: {reason}") from trouble


def _read_input() -> bytes:
    if sys.stdin is None:
        raise UnreadablePipeline("cannot read standard input: it is closed", hint="pass a file")
    try:
        return sys.stdin.buffer.read()
    except OSError as trouble:
        raise UnreadablePipeline(f"cannot read standard input: {trouble.strerror}") from trouble


def _unread(file: str, message: str, hint: str = "") -> Diagnostic:
    found = error(message, Span(file, 0, 0, 0, 0), fix=hint)
    return Diagnostic(found.severity, message, found.span, fix=hint, rule=UNREADABLE)


_CRLF = "\r\n"
_BARE = re.compile(r"(?<!\r)\n")
_PIECE = late_pattern(rf"{TEXT_OR_COMMENT.pattern}|\r?\n", re.DOTALL)


def with_line_ends_of(before: str, text: str) -> str:
    """Return a text with CRLF line endings if all lines of the earlier text end with CRLF.

    Line endings within quoted text are kept.
    """
    is_crlf = _CRLF in before and not _BARE.search(before)
    return _PIECE.sub(_with_crlf, text) if is_crlf else text


def has_mixed_line_ends(text: str) -> bool:
    """Return whether a text mixes LF and CRLF."""
    return _CRLF in text and _BARE.search(text) is not None


def _with_crlf(found: re.Match[str]) -> str:
    piece = found[0]
    return piece if piece.startswith('"') else _BARE.sub(_CRLF, piece)
