"""Checks of the machine and of pipeline requirements for `attractor doctor`."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ProcessNotStarted
from attractor.base.processes import ExecResult, run_process
from attractor.config.configuration import Configuration
from attractor.config.settings import Settings
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.declarations.inputs import (
    declared_inputs,
    fault_of_secret,
    secrets_from,
    variable_of,
)
from attractor.language.graph.graph import Graph
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.preflight.preflight import preflight
from attractor.pipeline.preflight.requirements import (
    ProgramCheck,
    look_for,
    missing_secret,
    required_by,
    ways_to_give,
)
from attractor.pipeline.project.console import Console
from attractor.pipeline.project.machine import Machine as ProcessMachine
from attractor.pipeline.project.project import project_from
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource, context_of, open_pipeline
from attractor.pipeline.workspace.create import choose_workspace_kind
from attractor.records.request import RunRequest

PATIENCE = timedelta(seconds=10)


class CheckStatus(StrEnum):
    """The status of a checked item."""

    OK = "ok"
    MISSING = "missing"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check, with a remedy unless the status is `ok`."""

    subject: str
    standing: CheckStatus
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.standing is CheckStatus.OK) == bool(self.remedy):
            raise ValueError(f"{self.subject}: a finding needs a remedy, unless its status is ok")


@dataclass(frozen=True)
class Machine:
    """The machine that this process sees: environment variables, folder and configuration."""

    environ: Mapping[str, str]
    folder: Path
    configuration: Configuration[Settings]

    def find(self, program: str) -> str:
        """Return the path of a program on PATH, or an empty text if the program is missing."""
        return shutil.which(program, path=self.environ.get("PATH", "")) or ""

    async def run(self, *argv: str) -> ExecResult:
        """Run a program with a timeout of a few seconds."""
        return await run_process(argv, cwd=self.folder, env=self.environ, timeout=PATIENCE)

    async def version(self, *argv: str) -> str:
        """Return the first line of a program's version output, or an empty text on an error."""
        try:
            result = await self.run(*argv)
        except ProcessNotStarted:
            return ""
        lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
        return lines[0].strip() if lines and result.exit_code == 0 else ""


class Examination(Protocol):
    """Checks one aspect of the machine."""

    async def __call__(self, machine: Machine) -> Sequence[Finding]:
        """Return the findings of the check."""
        ...


def ok(subject: str, found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(subject, CheckStatus.OK, found)


def missing(subject: str, found: str, *, remedy: str) -> Finding:
    """Return a finding about an item that only some tasks need."""
    return Finding(subject, CheckStatus.MISSING, found, remedy)


def problem(subject: str, found: str, *, remedy: str) -> Finding:
    """Return a finding that prevents all work."""
    return Finding(subject, CheckStatus.PROBLEM, found, remedy)


async def examine_needs(machine: Machine, files: Sequence[Path]) -> list[Finding]:
    """Return findings for requirements and secrets of pipelines and their child pipelines.

    Everything for which 'attractor run' would refuse a pipeline is a problem.
    """
    settings = machine.configuration.settings
    project = project_from(
        machine.configuration,
        machine=ProcessMachine(state_dir=settings.state_dir, environ=machine.environ),
        console=Console(input=StringIO(), output=StringIO()),
    )
    scope = RunScope.of(project)
    opened = [(open_pipeline(str(file), project=context_of(scope)), file) for file in files]
    graphs = [
        graph
        for source, file in opened
        for graph in (source.graph, *find_child_pipelines(source.graph, file, None).graphs)
    ]
    secrets = list(_secrets((source.graph for source, _ in opened), machine))
    here = LocalExecutionEnvironment(machine.folder, environ=machine.environ)
    try:
        looked = await look_for(required_by(graphs), here, machine.environ)
    finally:
        await here.cleanup()
    found = {one.diagnostic.message for one in looked if one.fault}
    refused = [
        refusal
        for source, file in opened
        for refusal in await _find_refusals(source, file, scope, found)
    ]
    return [*map(_finding, looked), *secrets, *refused]


async def _find_refusals(
    source: PipelineSource, file: Path, scope: RunScope, found: Set[str]
) -> list[Finding]:
    """Return a finding for each reason for which a run would be refused, besides those found."""
    project = scope.project
    declared = declared_inputs(source.graph)
    secrets = secrets_from(declared, project.machine.environ)
    # These can still be passed with --input.
    lacking = {missing_secret(one.name) for one in declared if one.name not in secrets}
    try:
        request = RunRequest(file=file.absolute(), inputs=secrets)
        request = await choose_workspace_kind(request, project)
        report = await preflight(source, request, scope, is_new=True)
    except AttractorError as error:
        return [problem(f"run {file}", error.message, remedy=error.hint or "fix this error")]
    return [
        problem(
            f"run {file}", fault.message, remedy=fault.fix.replace("\n", "; ") or "fix this error"
        )
        for fault in report.faults
        if fault.message not in found | lacking
    ]


def _secrets(graphs: Iterable[Graph], machine: Machine) -> Iterator[Finding]:
    """Yield a finding for each secret input.

    A child pipeline gets its secret inputs from its parent.
    """
    declared = (one.name for graph in graphs for one in declared_inputs(graph) if one.is_secret)
    for name in dict.fromkeys(declared):
        subject, variable = f"secret input: {name}", variable_of(name)
        value = machine.environ.get(variable, "")
        if not value:
            yield missing(subject, f"{variable} is not set", remedy=ways_to_give(name))
        elif fault := fault_of_secret(value):
            yield problem(subject, f"{variable} {fault}", remedy=f"set {variable} to another value")
        else:
            yield ok(subject, f"set by {variable}")


def _finding(looked: ProgramCheck) -> Finding:
    subject = f"requirement: {looked.required.need.written}"
    if looked.fault:
        return problem(subject, looked.fault, remedy=looked.remedy)
    return ok(subject, looked.found)
