"""Reads what a person gives as a specification, and prints specifications."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attractor.base.errors import UsageError
from attractor.base.files import file_error
from attractor.cli.output.streams import is_terminal

STANDARD_INPUT = "-"
_ENDINGS = frozenset({".yaml", ".yml", ".json", ".md", ".txt"})


def read_words(words: Sequence[str]) -> tuple[str, str]:
    """Return the text that words name, and its source: a file, standard input, or the words."""
    joined = " ".join(words)
    if not words or joined == STANDARD_INPUT:
        if not words and is_terminal(sys.stdin):
            raise UsageError("missing FILE or TEXT", hint="attractor spec normalize spec.yaml")
        return _decoded(sys.stdin.buffer.read(), "standard input"), "standard input"
    file = Path(joined)
    if _is(file, Path.is_file):
        try:
            return _decoded(file.read_bytes(), joined), joined
        except OSError as cause:
            raise file_error("read", file, cause) from cause
    if _is(file, Path.is_dir):
        hint = f"name a file, such as {file / 'spec.yaml'}"
        raise UsageError(f"{joined} is a folder", hint=hint)
    if len(words) == 1 and _looks_like_path(joined):
        raise UsageError(f"no such file: {joined}", hint="name a file, or write a text")
    return joined, "the text"


def _looks_like_path(word: str) -> bool:
    """Whether an argument is one word with the form of a path."""
    is_path = "/" in word or Path(word).suffix in _ENDINGS or word.startswith("~")
    return is_path and not any(map(str.isspace, word))


def _is(file: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(file)
    except OSError:
        # A long text is no name of a file.
        return False


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise UsageError(f"{source} is not UTF-8", hint="save it as UTF-8") from cause


def spec_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the id, the summary and the open questions of a specification."""
    yield f"{record['spec_graph_id']}: {record['spec_summary']}"
    questions = record["clarifications"]
    if questions:
        yield "open questions:"
        yield from (f"  {question['node']}: {question['question']}" for question in questions)
        node = questions[0]["node"]
        yield f"answer: attractor spec answer {record['spec_graph_id']} {node} ANSWER"
