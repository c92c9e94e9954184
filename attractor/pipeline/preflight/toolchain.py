"""Compares the versions of toolchain programs in the sandbox of a run with those outside."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.receipts import receipt_command
from attractor.engine.stage.toolchain import (
    ProgramAnswer,
    ask_versions,
    sandbox_lines,
    toolchain_programs,
)
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.selection import EnvironmentChoice
from attractor.language.graph.graph import Graph
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource, context_of
from attractor.records.request import RunRequest
from attractor.workspaces.folders import borrowed_folder, prepare_workspaces_folder


@dataclass(frozen=True)
class ComparedProgram:
    """A program that commands call: its answers in the sandbox, and outside of it."""

    inside: ProgramAnswer
    outside: ProgramAnswer

    @property
    def is_silent(self) -> bool:
        """Whether the program does not say its version in the sandbox."""
        return not self.inside.version

    @property
    def difference(self) -> str:
        """A sentence about the difference; "" if the same version runs inside and outside."""
        name, inside, outside = self.inside.name, self.inside, self.outside
        if inside.version == outside.version and inside.version:
            return ""
        there = f"{outside.version or outside.said} ({outside.place})" if outside.place else "none"
        if inside.version:
            return f"{name} is {inside.version} ({inside.place}) in the sandbox, outside {there}."
        program = Path(outside.place) if outside.place else None
        lines = sandbox_lines(program, is_visible=bool(inside.place))
        what = f"does not say its version in the sandbox: {inside.said}"
        if not inside.place:
            what = "is not on the PATH of the sandbox"
        return f"{name} {what} (outside: {there}). Add {lines} to [sandbox] of the profile."

    def to_json(self) -> dict[str, Json]:
        """Return the result as JSON."""
        return {
            "program": self.inside.name,
            "inside": self.inside.version,
            "outside": self.outside.version,
            "difference": self.difference,
        }


async def compare_called_programs(
    pipeline: PipelineSource, request: RunRequest, sandbox: EnvironmentChoice, scope: RunScope
) -> Sequence[ComparedProgram]:
    """Compare the programs that commands of a pipeline and its child pipelines call."""
    children = find_child_pipelines(pipeline.graph, request.file, context_of(scope))
    commands = _commands_of([pipeline.graph, *children.graphs])
    return await compare_programs(commands, sandbox, scope)


async def compare_programs(
    commands: Iterable[str], sandbox: EnvironmentChoice, scope: RunScope
) -> Sequence[ComparedProgram]:
    """Compare the toolchain programs that commands call.

    Without a sandbox, there is nothing to compare.
    """
    project = scope.project
    names = [*dict.fromkeys(name for one in commands for name in toolchain_programs(one))]
    if sandbox.kind == "none" or not names:
        return []
    place = prepare_workspaces_folder(
        project.machine.state_dir,
        shared=project.workspaces_dir,
        tell=lambda sentence: None,
    )
    with borrowed_folder(place) as scratch:
        outside = LocalExecutionEnvironment(scratch, environ=scope.variables_of_tools)
        there = await _ask(names, outside, scope)
        here = await _ask([*there], sandbox.make(scratch), scope)
    return [
        ComparedProgram(answer, there[name])
        for name, answer in here.items()
        if answer.place or there[name].place
    ]


def _commands_of(graphs: Iterable[Graph]) -> Iterator[str]:
    for graph in graphs:
        for node in graph.nodes.values():
            yield node.attributes.text("tool_command") or node.attributes.text("script")
            yield receipt_command(node)


async def _ask(
    names: Sequence[str], environment: ExecutionEnvironment, scope: RunScope
) -> dict[str, ProgramAnswer]:
    try:
        await environment.initialize()
        answers = await ask_versions(names, environment, project=scope.project.root)
        return {one.name: one for one in answers}
    finally:
        await environment.cleanup()
