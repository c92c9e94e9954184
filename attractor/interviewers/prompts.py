"""Writes questions to a terminal, safely, and reads lines without blocking the event loop."""

import asyncio
import os
import select
import stat
import termios
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TextIO

from attractor.engine.questions.edge_labels import accelerator, normalize_label
from attractor.engine.questions.question import (
    Option,
    Question,
    QuestionKind,
    describe_asked_call,
    describe_branches,
    find_option,
)
from attractor.engine.truncation import keep_ends, shorten
from attractor.language.source.text import visible

LONGEST_LINE = 500

_YES_NO = {"yes": "[Y/n]: ", "no": "[y/N]: ", "": "[Y/N]: "}


def shown_question(question: Question, about: Sequence[str] = ()) -> str:
    """Return a question as text for a terminal: the text, the branches, and the choices.

    `about` are lines about the run.
    """
    text = "\n".join(map(visible, keep_ends(question.text).splitlines()))
    where = [f"  ({shown_line(one)})" for one in describe_branches(question)]
    call = [f"  {visible(line)}" for line in describe_asked_call(question)]
    options = [f"  {shown_option(option)}" for option in question.options]
    lines = [f"[?] {text}", *where, *call, *options]
    more = [f"  ({shown_line(one)})" for one in about]
    return "\n".join([*lines, *more, *_time(question)]) + "\n"


def shown_prompt(question: Question) -> str:
    """Return the prompt before the input; Enter selects the default."""
    if question.kind in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
        return _YES_NO.get(question.default.casefold(), _YES_NO[""])
    default = f" [{shown_line(question.default)}]" if question.default else ""
    return f"Select{default}: " if question.kind is QuestionKind.MULTIPLE_CHOICE else f"{default}> "


def shown_line(text: str) -> str:
    """Return a text as one line for a terminal."""
    return visible(shorten(text.strip(), LONGEST_LINE))


def shown_option(option: Option) -> str:
    """Return a choice with its key; a label such as `[Y] Yes` already contains the key."""
    has_key = normalize_label(option.label) != option.label.strip().lower()
    if has_key and accelerator(option.label) == option.key:
        return shown_line(option.label)
    return f"[{shown_line(option.key)}] {shown_line(option.label)}"


def _time(question: Question) -> list[str]:
    """Return the deadline of a question, and the default answer after the deadline."""
    if not question.deadline:
        return []
    until = datetime.fromisoformat(question.deadline).astimezone().strftime("%H:%M:%S")
    option = find_option(question.default, question)
    default = shown_line(option.label if option else question.default)
    return [f"  (until {until}{f', then {default}' if default else ''})"]


_PIECE = 4096
# Limits the memory for one line of input.
_LONGEST = 64 * 1024


class LineReader:
    """Reads the lines of a stream; a read can be canceled."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = b""

    async def next(self) -> str | None:
        """Return the next line without the line ending, or None at the end of the input."""
        file = _file_of(self._stream)
        if file is None:
            text = "" if self._stream.closed else self._stream.readline(_LONGEST)
            return text.removesuffix("\n") if text else None
        while b"\n" not in self._rest and len(self._rest) < _LONGEST:
            piece = await _read(file)
            if not piece:
                break
            self._rest += piece
        if not self._rest:
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(self._stream.encoding or "utf-8", "replace").removesuffix("\r")

    def drop(self) -> str:
        """Drop the unread input of a terminal; return the whole lines of the dropped input."""
        typed, self._rest = self._rest, b""
        file = _file_of(self._stream)
        with suppress(OSError, termios.error):
            while file is not None and select.select([file], [], [], 0)[0]:
                piece = os.read(file, _PIECE)
                typed += piece
                if not piece:
                    break
            if file is not None:
                # The incomplete last line is dropped too.
                termios.tcflush(file, termios.TCIFLUSH)
        return typed.decode(self._stream.encoding or "utf-8", "replace")


def _file_of(stream: TextIO) -> int | None:
    """Return the file descriptor of a stream; None for a stream in memory."""
    with suppress(OSError, ValueError):
        return stream.fileno()
    return None


async def _read(file: int) -> bytes:
    """Return the available bytes; empty at the end of the input."""
    while True:
        if _makes_wait(file):
            await _readable(file)
        # Another reader of the same terminal may have been faster.
        with suppress(BlockingIOError):
            return os.read(file, _PIECE)


def _makes_wait(file: int) -> bool:
    """Return whether the event loop can poll a descriptor: a terminal, a pipe or a socket."""
    mode = os.fstat(file).st_mode
    return os.isatty(file) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(file, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
