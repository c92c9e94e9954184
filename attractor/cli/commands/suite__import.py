"""Draft cases from unit tests."""

import json
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, Refused, UsageError
from attractor.base.files import write_whole
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import project_of
from attractor.factory.registration.first_suite import toml_text
from attractor.scenarios.cases.imported import import_cases
from attractor.scenarios.suite_files import CHECKS, SUITE_FILE


@click.command("import")
@click.argument("runner", type=click.Choice(["unittest", "pytest"]))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@json_option
@click.pass_obj
def import_tests(
    invocation: Invocation, runner: str, file: Path, folder: Path | None, as_json: bool
) -> ExitCode:
    """Draft cases from the plain assertions of a file of unit tests.

    FILE is read, and not executed. Its cases are written into checks/ of the suite in FOLDER
    (default: the only one in scenarios/), a file for each module. What becomes no case is listed
    with its line. The output ends with the lines for a scenario.
    """
    place = (folder or _only_suite(project_of(invocation).root)) / CHECKS
    try:
        found = import_cases(file.read_text("utf-8"), has_functions=runner == "pytest")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no Python: {error}", hint="name a file of tests") from error
    written = {place / f"{file.stem}-{module}.jsonl": module for module in found.cases}
    for path in written:
        if path.exists():
            raise Refused(f"{path} exists", hint="remove it, or move it away")
    lines: list[str] = []
    for path, module in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        cases = [json.dumps(case, ensure_ascii=False) for case in found.cases[module]]
        write_whole(path, "".join(f"{case}\n" for case in cases))
        lines.append(f"wrote {path}: {number_of(len(cases), 'case')}")
    lines += [f"{file}:{line}: not taken: {reason}" for line, reason in found.left]
    for path, module in written.items():
        names = f"cases = {toml_text(path.name)}\nmodule = {toml_text(module)}"
        lines.append(f'\n[[checks]]\nkind = "cases"\n{names}')
    record = {
        "files": [
            {"file": str(path), "module": module, "cases": len(found.cases[module])}
            for path, module in written.items()
        ],
        "left": [{"line": line, "reason": reason} for line, reason in found.left],
    }
    show_result(record, *lines, as_json=as_json)
    return ExitCode.DONE if written else ExitCode.FAILED


def _only_suite(project: Path) -> Path:
    found = [one.parent for one in sorted((project / "scenarios").glob(f"*/{SUITE_FILE}"))]
    if len(found) != 1:
        hint = "name its folder: attractor suite import RUNNER FILE scenarios/NAME"
        raise UsageError(f"{number_of(len(found), 'suite')} in scenarios/, not one", hint=hint)
    return found[0]


part = import_tests
