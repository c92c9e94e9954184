"""Checks the requirements of a pipeline: programs, variables and secret inputs."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.receipts import RECEIPT, receipt_command
from attractor.engine.stage.toolchain import PATIENCE_MS, find_version, version_question
from attractor.engine.storage.secrets import (
    RECORD_WORDS,
    Redactor,
    is_common,
    is_secret_name,
    is_unusable,
)
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice
from attractor.language.declarations.inputs import (
    TOOL,
    declared_inputs,
    fault_of_secret,
    fault_of_variable,
    is_of_input,
    variable_of,
)
from attractor.language.declarations.requirements import (
    Requirement,
    declared_requirements,
    parse_version,
)
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import span_within
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource
from attractor.pipeline.workspace.place import (
    connect_for_check,
    examine,
    find_place,
    require_placeable,
)
from attractor.records.request import GOAL, INPUT_PREFIX, RunRequest
from attractor.workspaces.folders import borrowed_folder, prepare_workspaces_folder


def find_secret_input_faults(graph: Graph, request: RunRequest) -> Iterator[Diagnostic]:
    """Yield each secret input that is missing, unusable, or withheld on resume."""
    yield from find_withheld(request)
    for one in declared_inputs(graph):
        if not one.is_secret or f"{INPUT_PREFIX}{one.name}" in request.withheld:
            continue
        span = graph.attributes.by_key["inputs"].value.span
        value = request.inputs.get(one.name)
        if value is None:
            yield error(missing_secret(one.name), span, fix=ways_to_give(one.name))
        elif fault := fault_of_secret(value):
            yield error(f"the secret input {one.name} {fault}", span, fix="choose a longer value")
        elif is_unusable(value) or value.strip() in RECORD_WORDS:
            message = f"the value of the secret input {one.name} occurs in the records of every run"
            yield error(message, span, fix="choose another value")


def find_unusable_variables(pipeline: PipelineSource) -> Iterator[Diagnostic]:
    """Yield each input that the commands of the pipeline cannot get as a variable."""
    graph = pipeline.graph
    if TOOL not in graph.types and not any(map(receipt_command, graph.nodes_with(RECEIPT))):
        return
    for name, value in pipeline.shown.items():
        if fault := fault_of_variable(name, value):
            fix = "pass a shorter value, such as the path of a file in the project"
            yield error(f"the input {name} {fault}", graph.span, fix=fix)


def missing_secret(name: str) -> str:
    """Return the message about a secret input without a value."""
    return f"the secret input {name} is missing"


def find_withheld(request: RunRequest) -> Iterator[Diagnostic]:
    """Yield the goal and the inputs that a resume needs and the manifest does not store."""
    for name in request.withheld:
        if name == GOAL:
            yield error(
                "the goal contains a secret and was not stored", fix="pass it again: --goal TEXT"
            )
        else:
            bare = name.removeprefix(INPUT_PREFIX)
            yield error(
                f"the input {bare} contains a secret and was not stored",
                fix=f"pass it again: {ways_to_give(bare)}",
            )


def find_secrets_in_request(request: RunRequest, scope: RunScope) -> Iterator[Diagnostic]:
    """Yield each value of a request that contains a secret and cannot be passed again."""
    redactor = scope.redactor
    for name, value in request.to_record().items():
        if name not in ("goal", "inputs") and redactor.json(value) != value:
            subject = "the path of the pipeline" if name == "file" else f"--{name.rstrip('s')}"
            text = json.dumps(value, ensure_ascii=False)
            variables = variables_in(text, redactor, scope.project.machine.environ)
            of = f"of the variable {variables[0]}" if variables else "of a secret"
            unset = f", or start attractor without it: env -u {variables[0]}" if variables else ""
            yield error(
                f"{subject} contains the value {of}; secrets are not stored in run directories",
                fix=f"remove it{unset}",
            )


def ways_to_give(name: str) -> str:
    """Return the ways to pass a secret input without showing it in the list of processes."""
    variable = variable_of(name)
    return f"set the variable {variable}, or add --input {name}=@env:NAME or {name}=@file:FILE"


_REMEDY = "remove it: declare an input of type secret for commands that need it"


def find_secrets_in_pipeline(
    pipeline: PipelineSource, redactor: Redactor, environ: Mapping[str, str], *, file: str = ""
) -> Iterator[Diagnostic]:
    """Yield the files of a pipeline that contain the value of a secret, each with the position."""
    named = file or pipeline.graph.span.file
    yield from _find_secret(pipeline.text, named, redactor, environ)
    for name, content in pipeline.files.items():
        yield from _find_secret(content.decode("utf-8", "replace"), name, redactor, environ)


def variables_in(text: str, redactor: Redactor, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the environment variables whose secret values occur in a text."""
    return [
        name
        for name, value in environ.items()
        if (is_secret_name(name) or is_of_input(name))
        and redactor.finds(value)
        and Redactor([value]).finds(text)
    ]


def find_unusable_secrets(project: Project) -> Iterator[Diagnostic]:
    """Yield each secret variable whose value cannot be redacted.

    Values of inputs are checked with the inputs; other pipelines may have short inputs.
    """
    for name in project.machine.secret_variables:
        value = project.machine.environ[name].strip()
        if is_unusable(value) and not is_of_input(name):
            kind = "a date" if "-" in value else f"only {number_of(len(value), 'character')}"
            yield error(
                f"the value of the variable {name} has {kind}, so it cannot be redacted in records",
                fix="choose a longer value, or start attractor without the variable: "
                f"env -u {name}",
            )


def report_common_secrets(project: Project) -> None:
    """Report secret variables whose values may occur in other texts, which are redacted as well."""
    names = [
        name
        for name in project.machine.secret_variables
        if is_common(project.machine.environ[name])
    ]
    if not names:
        return
    what = "the value" if len(names) == 1 else "the values"
    is_ = "is short or an ordinary word" if len(names) == 1 else "are short or ordinary words"
    unset = " ".join(f"-u {name}" for name in names)
    project.console.tell(
        f"Redacted wherever it occurs: {what} of {', '.join(names)}, which {is_}. If it is no "
        f"secret, start attractor without it: env {unset}"
    )


def _find_secret(
    text: str, file: str, redactor: Redactor, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if not redactor.finds(text):
        return
    lines = text.split("\n")
    line = next((at for at, one in enumerate(lines, 1) if redactor.finds(one)), 1)
    names = variables_in(text, redactor, environ)
    where = Span(file, line, 1, line, 1)
    of = f"of the variable {names[0]}" if names else "of a secret"
    unset = (
        f"; if the value is no secret, start attractor without the variable: env -u {names[0]}"
        if names
        else ""
    )
    yield error(f"the pipeline contains the value {of}", where, fix=f"{_REMEDY}{unset}")


_SANDBOX_REMEDY = "for the whole machine (below /usr), or run with --sandbox none"
_AT_ONCE = 8
_WANTED: Mapping[str, str] = {
    "": "{name}",
    ">=": "{name} {version} or newer",
    ">": "{name} newer than {version}",
    "<=": "{name} {version} or older",
    "<": "{name} older than {version}",
    "=": "{name} {version}",
    "==": "{name} {version}",
}


@dataclass(frozen=True)
class Required:
    """A requirement of a pipeline, and its position."""

    need: Requirement
    span: Span

    @property
    def wanted(self) -> str:
        """The requirement in words, such as `git 2.30 or newer`."""
        return _WANTED[self.need.sign].format(name=self.need.name, version=self.need.version)


@dataclass(frozen=True)
class ProgramCheck:
    """The result of a check; a requirement that is not met has a fault and a fix."""

    required: Required
    found: str = ""
    fault: str = ""
    remedy: str = ""

    @property
    def diagnostic(self) -> Diagnostic:
        """The error with its position."""
        written = self.required.need.written
        return error(f"requires {written}: {self.fault}", self.required.span, fix=self.remedy)


def required_by(graphs: Iterable[Graph]) -> list[Required]:
    """Return the requirements of pipelines, without duplicates."""
    found: dict[str, Required] = {}
    for graph in graphs:
        for required in _required(graph):
            found.setdefault(required.need.written, required)
    return list(found.values())


async def look_for(
    required: Iterable[Required],
    environment: ExecutionEnvironment,
    environ: Mapping[str, str],
) -> list[ProgramCheck]:
    """Check all requirements: variables in `environ`, and programs in `environment`."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def look(one: Required) -> ProgramCheck:
        if not one.need.is_program:
            return _look_for_variable(one, environ)
        async with at_once:
            return await _look_for_program(one, environment)

    return list(await asyncio.gather(*map(look, required)))


async def find_missing_here(
    required: Sequence[Required], request: RunRequest, project: Project
) -> Sequence[Diagnostic]:
    """Return an error for each requirement that the shell of the operator does not meet.

    Programs of stages that work in a place are needed there only.
    """
    required = [one for one in required if not (request.place and one.need.is_program)]
    if not required:
        return ()
    folder = request.file.parent
    here = LocalExecutionEnvironment(
        folder if folder.is_dir() else "/", environ=project.machine.environ
    )
    try:
        checks = await look_for(required, here, project.machine.environ)
    finally:
        await here.cleanup()
    return [one.diagnostic for one in checks if one.fault]


@dataclass(frozen=True)
class CheckedPlace:
    """Where stages work: the errors there, and the promises that were proved."""

    faults: Sequence[Diagnostic]
    promises: Promises


async def check_where_stages_work(
    required: Sequence[Required],
    request: RunRequest,
    sandbox: EnvironmentChoice,
    project: Project,
    there: Sequence[str] = (),
) -> CheckedPlace:
    """Look for each required program in the sandbox, or in the place of the run, and check the
    place; `there` are the programs of backends.
    """
    programs = [one for one in required if one.need.is_program]
    if request.place:
        return await _check_place(programs, request, project, there)
    if not programs or sandbox.kind == "none":
        return CheckedPlace((), sandbox.promises)
    # The state folder was prepared, with its report, when the sandbox was chosen.
    place = prepare_workspaces_folder(
        project.machine.state_dir, shared=project.workspaces_dir, tell=lambda sentence: None
    )
    with borrowed_folder(place) as scratch:
        environment = sandbox.make(scratch)
        try:
            await environment.initialize()
            checks = await look_for(programs, environment, {})
        finally:
            await environment.cleanup()
    missing = [
        replace(
            one, fault=f"in the sandbox {one.fault}", remedy=f"{one.remedy} {_SANDBOX_REMEDY}"
        ).diagnostic
        for one in checks
        if one.fault
    ]
    return CheckedPlace(missing, sandbox.promises)


async def _check_place(
    programs: Sequence[Required], request: RunRequest, project: Project, there: Sequence[str]
) -> CheckedPlace:
    try:
        require_placeable(request.workspace, request.place)
        place = find_place(request.place, project)
        environment = connect_for_check(place, project)
        try:
            await environment.initialize()
            report = await examine(environment, place, project, there)
            checks = await look_for(programs, environment, {})
        finally:
            await environment.cleanup()
    except AttractorError as fault:
        missing = error(f"--place {request.place}: {fault.message}", fix=fault.hint)
        return CheckedPlace([missing], Promises())
    faults = [
        *(error(one.message, fix=one.fix) for one in report.faults),
        *(
            replace(one, fault=f"in the place {place.name} {one.fault}").diagnostic
            for one in checks
            if one.fault
        ),
    ]
    return CheckedPlace(faults, report.promises)


def _required(graph: Graph) -> Iterator[Required]:
    value = graph.attributes.value("requires")
    if value is not None:
        for need in declared_requirements(graph):
            yield Required(need, span_within(value, need.start, need.end))


def _look_for_variable(required: Required, environ: Mapping[str, str]) -> ProgramCheck:
    name = required.need.name
    if environ.get(name, "").strip():
        # The value may be a secret, so it is not shown.
        return ProgramCheck(required, found=f"{name} is set")
    remedy = f"set it before attractor is started: export {name}=..."
    return ProgramCheck(required, fault=f"the variable {name} is not set", remedy=remedy)


async def _look_for_program(required: Required, environment: ExecutionEnvironment) -> ProgramCheck:
    name = required.need.name
    # Without `test -x`, bash would also name a file that is no executable.
    path = await environment.exec_command(
        f'path=$(type -P {name}) && test -x "$path" && echo "$path"', timeout_ms=PATIENCE_MS
    )
    if path.exit_code:
        fault, remedy = f"the program {name} is not on the PATH", f"install {required.wanted}"
        return ProgramCheck(required, fault=fault, remedy=remedy)
    if not required.need.sign:
        return ProgramCheck(required, found=path.stdout.strip())
    question = version_question(name)
    answer = await environment.exec_command(question, timeout_ms=PATIENCE_MS)
    version = parse_version(find_version(answer))
    if version is None:
        return ProgramCheck(
            required,
            fault=f"{name} does not print its version",
            remedy=f"check the output of {question}, or require {name} without a version",
        )
    installed = f"{name} {'.'.join(map(str, version))}"
    if required.need.holds(version):
        return ProgramCheck(required, found=f"{installed} at {path.stdout.strip()}")
    return ProgramCheck(
        required, fault=f"the installed version is {installed}", remedy=f"install {required.wanted}"
    )
