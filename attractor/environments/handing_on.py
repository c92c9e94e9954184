"""Hands the output of a command on, while it is kept."""

import codecs
from collections.abc import Callable

from attractor.base.process_output import BoundedOutput, Chunk, OnOutput, Stream


def handed_on(
    name: Stream, kept: BoundedOutput, on_output: OnOutput | None
) -> Callable[[bytes], None]:
    """Return what takes the pieces of a stream: it keeps them, and hands on whole characters."""
    if on_output is None:
        return kept.add
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(piece: bytes) -> None:
        kept.add(piece)
        if text := decoder.decode(piece):
            on_output(Chunk(name, text))

    return take
