"""Copy a pipeline of the gallery into the project, to change it."""

import shlex
from pathlib import Path

import click

from attractor.base.errors import ExitCode, Refused
from attractor.base.files import file_error
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.gallery import TEST, find_toolchain, takes_test_command
from attractor.cli.runs.setup import project_of
from attractor.cli.shell_completion import complete_gallery
from attractor.language.source.text import visible
from attractor.pipeline.source.gallery import open_gallery_pipeline
from attractor.projects.drafting import PIPELINES


@click.command()
@click.argument("name", shell_complete=complete_gallery)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def gallery_copy(invocation: Invocation, name: str, file: Path | None, as_json: bool) -> ExitCode:
    """Copy a pipeline of the gallery into the project, to change it.

    FILE is the new file (default: pipelines/NAME.dot of the project). An existing file is not
    overwritten. The copy is a pipeline like any other: updates of the package do not change it, and
    it runs the tests with 'make test', unless a run gets --input test=COMMAND.
    """
    pipeline = open_gallery_pipeline(name)
    project = project_of(invocation)
    file = file or _shown(project.root / PIPELINES / pipeline.file.name, invocation.folder)
    _write_new(file, pipeline.text)
    words = ["attractor", "run", str(file), "--goal", "..."]
    toolchain = find_toolchain(project) if takes_test_command(pipeline.file) else None
    if toolchain and toolchain.test_command:
        words += ["--input", f"{TEST}={toolchain.test_command}"]
    command = shlex.join(words)
    record = {**pipeline.to_record(), "copy": str(file), "next": command}
    text = f"wrote {visible(str(file))}\nnext: {visible(command)}"
    return show_result(record, text, as_json=as_json)


def _shown(file: Path, folder: Path) -> Path:
    return file.relative_to(folder) if file.is_relative_to(folder) else file


def _write_new(file: Path, text: str) -> None:
    """Write a file that does not exist, also if another process creates it meanwhile."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as cause:
        if not file.exists():
            raise file_error("write", file, cause) from cause
        hint = "name another file: attractor gallery copy NAME FILE"
        raise Refused(f"{file} already exists", hint=hint) from cause


part = gallery_copy
