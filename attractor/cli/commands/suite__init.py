"""Write a first suite to edit."""

import asyncio
from pathlib import Path
from shutil import which

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.resources import example_option
from attractor.cli.runs.setup import project_of
from attractor.factory.registration.first_suite import read_examples, write_first_suite
from attractor.factory.registration.unit_tests import find_unit_tests
from attractor.projects.detection import detect
from attractor.workspaces.git.repository import find_prefix


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--pipeline",
    default="",
    help="Judge this pipeline (default: the only one of the project, otherwise all work).",
)
@example_option
@json_option
@click.pass_obj
def init(
    invocation: Invocation, folder: Path, pipeline: str, examples: tuple[str, ...], as_json: bool
) -> ExitCode:
    """Write a first suite, of examples, of unit tests or to edit.

    FOLDER is a new folder, such as scenarios/NAME. Without examples, the unit tests of a project in
    Python (unittest or pytest) or JavaScript (node:test), in tests/ or beside the modules, become
    hidden scenarios: copies of them judge behind a wall. Without unit tests, the suite has one
    scenario for agents and three hidden ones, to be edited. The setup of the suite builds the
    program if its language is compiled.
    """
    written = read_examples(examples)
    project = project_of(invocation)
    toolchain = detect(
        project.root, lambda name: which(name, path=project.machine.search_path) or ""
    )
    prefix = asyncio.run(find_prefix(project.root, search_path=project.machine.search_path))
    build = toolchain.below(prefix).build if toolchain else ()
    language, command = (toolchain.language, toolchain.test_command) if toolchain else ("", "")
    found = find_unit_tests(language, project.root, command)
    files = write_first_suite(folder, pipeline, project, written, build, prefix, found)
    edit = f"edit them, then: attractor suite lint {folder}"
    return show_result(
        {"folder": str(folder), "files": [str(file) for file in files]},
        *(f"wrote {file}" for file in files),
        f"next: attractor suite register {folder}" if written or found else edit,
        as_json=as_json,
    )


part = init
