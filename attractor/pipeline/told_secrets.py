"""Finds the secrets that stand in a pipeline: its text is kept as it is, so it may hold none."""

from collections.abc import Iterator, Mapping

from attractor.engine.secrets import Redactor, is_telling
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.spans import Span
from attractor.pipeline.source import PipelineSource

_REMEDY = "take it out: what a command needs is an input of type secret"


def find_told_secrets(
    pipeline: PipelineSource, redactor: Redactor, environ: Mapping[str, str], *, file: str = ""
) -> Iterator[Diagnostic]:
    """Yield the files of a pipeline that hold the value of a secret, each with the place."""
    named = file or pipeline.graph.span.file
    yield from _told(pipeline.text, named, redactor, environ)
    for name, content in pipeline.files.items():
        yield from _told(content.decode("utf-8", "replace"), name, redactor, environ)


def _told(
    text: str, file: str, redactor: Redactor, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if not redactor.finds(text):
        return
    lines = text.split("\n")
    line = next((at for at, one in enumerate(lines, 1) if redactor.finds(one)), 1)
    names = [
        name
        for name, value in environ.items()
        if is_telling(name) and value and Redactor([value]).finds(text)
    ]
    where = Span(file, line, 1, line, 1)
    of = f"of the variable {names[0]}" if names else "of a secret"
    unset = f"; or, if it is none, start attractor without it: env -u {names[0]}" if names else ""
    yield error(f"the pipeline holds the value {of}", where, fix=f"{_REMEDY}{unset}")
