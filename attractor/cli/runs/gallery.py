"""Fills in the test command of the project, the only input of pipelines of the gallery."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from attractor.base.errors import UsageError
from attractor.config.projects import PROJECT_FILE
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.reading import parse_file
from attractor.language.source.text import visible
from attractor.pipeline.project.project import Project
from attractor.projects.detection import Toolchain, detect
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import COPY, ISOLATED
from attractor.workspaces.git.repository import find_prefix

TEST = "test"
"""The input with the command that runs all tests of the project."""

_HINT = "pass the command that runs all tests: --input test=COMMAND"


def with_test_command(request: RunRequest, project: Project) -> RunRequest:
    """Return the request; one of a pipeline of the gallery gets the test command of the project.

    A command that the caller passes is kept. Refuse before the first stage if no command is found,
    or if it cannot work in the workspace of the run.
    """
    if TEST in request.inputs or not request.gallery or not takes_test_command(request.file):
        return request
    toolchain = find_toolchain(project)
    if not toolchain or not toolchain.test_command:
        raise UsageError(f"no test command found in {project.root}", hint=_HINT)
    if toolchain.remedy and request.sandbox != "none":
        raise UsageError(
            "pytest is not installed where a sandbox finds it",
            hint=f"{toolchain.remedy}; or {_HINT}",
        )
    if lacking := _find_lacking(toolchain, request, project):
        paths = ", ".join(f'"{path}"' for path in lacking)
        raise UsageError(
            f"the tests need {', '.join(lacking)}, which the workspace of a run does not have",
            hint=f"add carry_read_only = [{paths}] to [workspace] in {PROJECT_FILE}, or {_HINT}",
        )
    shown = visible(toolchain.test_command)
    project.console.tell(f"Tests: {shown} (another command: --input test=COMMAND)")
    return request.with_inputs({TEST: toolchain.test_command})


def takes_test_command(file: Path) -> bool:
    """Return whether a pipeline runs the tests of the project."""
    return TEST in {declared.name for declared in declared_inputs(parse_file(file))}


def find_toolchain(project: Project) -> Toolchain | None:
    """Return the toolchain of a project, with commands that start at the top of its repository."""
    path = project.machine.search_path
    toolchain = detect(project.root, lambda program: which(program, path=path) or "")
    prefix = asyncio.run(find_prefix(project.root, search_path=path))
    return toolchain.below(prefix) if toolchain else None


def _find_lacking(toolchain: Toolchain, request: RunRequest, project: Project) -> Sequence[str]:
    """Return the ignored paths that tests need, and that a new workspace does not have."""
    if request.workspace not in (ISOLATED, COPY):
        return ()
    carried = project.preparation.carried_paths
    return [path for path in toolchain.needed if path not in carried]
