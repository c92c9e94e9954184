"""Finds the secrets that stand in a pipeline: its text is kept as it is, so it may hold none.

Tells as well of values that would be secret and cannot be kept out of what Attractor writes.
"""

from collections.abc import Iterator, Mapping, Sequence

from attractor.engine.secrets import Redactor, is_telling
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.preparation.inputs import is_of_input
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.own_words import is_ours
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.world import World

_REMEDY = "take it out: what a command needs is an input of type secret"


def find_told_secrets(
    pipeline: PipelineSource, redactor: Redactor, environ: Mapping[str, str], *, file: str = ""
) -> Iterator[Diagnostic]:
    """Yield the files of a pipeline that hold the value of a secret, each with the place."""
    named = file or pipeline.graph.span.file
    yield from _told(pipeline.text, named, redactor, environ)
    for name, content in pipeline.files.items():
        yield from _told(content.decode("utf-8", "replace"), name, redactor, environ)


def variables_in(text: str, redactor: Redactor, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the variables whose values are secrets that stand in a text."""
    return [
        name
        for name, value in environ.items()
        if (is_telling(name) or is_of_input(name))
        and redactor.finds(value)
        and Redactor([value]).finds(text)
    ]


def tell_unkept(world: World) -> None:
    """Say whose values are in no way kept secret, by the names of the variables alone."""
    names = [name for name in world.secret_variables if is_ours(world.environ[name])]
    if not names:
        return
    what = "the value" if len(names) == 1 else "the values"
    stands = "it stands" if len(names) == 1 else "they stand"
    world.tell(
        f"Not kept secret: {what} of {', '.join(names)}, for {stands} in what Attractor itself "
        "writes in every run."
    )


def _told(
    text: str, file: str, redactor: Redactor, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if not redactor.finds(text):
        return
    lines = text.split("\n")
    line = next((at for at, one in enumerate(lines, 1) if redactor.finds(one)), 1)
    names = variables_in(text, redactor, environ)
    where = Span(file, line, 1, line, 1)
    of = f"of the variable {names[0]}" if names else "of a secret"
    unset = f"; or, if it is none, start attractor without it: env -u {names[0]}" if names else ""
    yield error(f"the pipeline holds the value {of}", where, fix=f"{_REMEDY}{unset}")
