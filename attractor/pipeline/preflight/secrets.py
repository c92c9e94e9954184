"""Finds secrets that a run would reveal, and secrets that it needs and lacks."""

import json
from collections.abc import Iterator, Mapping, Sequence

from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.language.declarations.inputs import (
    declared_inputs,
    fault_of_secret,
    is_of_input,
    variable_of,
)
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.host.run_host import RunHost, is_in_own_texts
from attractor.pipeline.request import GOAL, INPUT_PREFIX, RunRequest
from attractor.pipeline.source.read import PipelineSource


def find_secret_input_faults(graph: Graph, request: RunRequest) -> Iterator[Diagnostic]:
    """Yield each secret input that is missing, unusable, or withheld on resume."""
    yield from find_withheld(request)
    variables: dict[str, str] = {}
    for one in declared_inputs(graph):
        if not one.is_secret or f"{INPUT_PREFIX}{one.name}" in request.withheld:
            continue
        span = graph.attributes.by_key["inputs"].value.span
        first = variables.setdefault(variable_of(one.name), one.name)
        if first != one.name:
            message = f"the secrets {first} and {one.name} have the same variable"
            yield error(message, span, fix="rename one of them")
        value = request.inputs.get(one.name)
        if value is None:
            message = f"the secret input {one.name} is missing"
            yield error(message, span, fix=ways_to_give(one.name))
        elif fault := fault_of_secret(value):
            yield error(f"the secret input {one.name} {fault}", span, fix="choose a longer value")
        elif is_in_own_texts(value):
            message = (
                f"the value of the secret input {one.name} occurs in Attractor's own records, "
                "which cannot be redacted"
            )
            yield error(message, span, fix="choose another value")


def find_withheld(request: RunRequest) -> Iterator[Diagnostic]:
    """Yield the goal and the inputs that the manifest withholds and the run needs again."""
    for name in request.withheld:
        if name == GOAL:
            yield error(
                "the goal contains a secret and was not kept", fix="give it again: --goal TEXT"
            )
        else:
            bare = name.removeprefix(INPUT_PREFIX)
            yield error(
                f"the input {bare} contains a secret and was not kept",
                fix=f"give it again: {ways_to_give(bare)}",
            )


def find_secrets_in_request(request: RunRequest, host: RunHost) -> Iterator[Diagnostic]:
    """Yield each value of a request that contains a secret and cannot be given again."""
    redactor = host.redactor
    for name, value in request.to_record().items():
        if name not in ("goal", "inputs") and redactor.json(value) != value:
            subject = "the path of the pipeline" if name == "file" else f"--{name.rstrip('s')}"
            text = json.dumps(value, ensure_ascii=False)
            variables = variables_in(text, redactor, host.environ)
            of = f"of the variable {variables[0]}" if variables else "of a secret"
            unset = f", or start attractor without it: env -u {variables[0]}" if variables else ""
            yield error(
                f"{subject} contains the value {of}, which no run directory keeps",
                fix=f"remove it{unset}",
            )


def ways_to_give(name: str) -> str:
    """Return how a secret input is given, without others seeing it in a list of processes."""
    variable = variable_of(name)
    return f"set the variable {variable}, or add --input {name}=@env:NAME or {name}=@file:FILE"


_REMEDY = "take it out: what a command needs is an input of type secret"


def find_secrets_in_pipeline(
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


def report_unredacted(host: RunHost) -> None:
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
    yield error(f"the pipeline contains the value {of}", where, fix=f"{_REMEDY}{unset}")
