"""Finds secrets that a run would reveal, and secrets that it needs and lacks."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.language.declarations.inputs import is_of_input, variable_of
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.host.own_texts import is_in_own_texts
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import GOAL, INPUT_PREFIX, RunRequest
from attractor.pipeline.source.read import PipelineSource


def find_withheld(request: RunRequest) -> Iterator[Diagnostic]:
    """Yield what a run was given and needs again."""
    for name in request.withheld:
        if name == GOAL:
            told = "the goal that was given holds a secret, and is not kept"
            yield error(told, fix="give it again: --goal TEXT")
        else:
            bare = name.removeprefix(INPUT_PREFIX)
            told = f"the input {bare} holds a secret, and is not kept"
            yield error(told, fix=f"give it again: {ways_to_give(bare)}")


def ways_to_give(name: str) -> str:
    """Return how a secret input is given, without others seeing it in a list of processes."""
    variable = variable_of(name)
    return f"set the variable {variable}, or add --input {name}=@env:NAME or {name}=@file:FILE"


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
        if (is_secret_name(name) or is_of_input(name))
        and redactor.finds(value)
        and Redactor([value]).finds(text)
    ]


def tell_unkept(host: RunHost) -> None:
    """Say whose values are in no way kept secret, by the names of the variables alone."""
    names = [name for name in host.secret_variables if is_in_own_texts(host.environ[name])]
    if not names:
        return
    what = "the value" if len(names) == 1 else "the values"
    stands = "it stands" if len(names) == 1 else "they stand"
    host.tell(
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
