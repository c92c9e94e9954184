"""Say which sentences of a specification the scenarios of a suite prove."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import project_of
from attractor.factory.specification import read_committed
from attractor.language.source.text import visible
from attractor.scenarios.coverage import SuiteCoverage, coverage_of
from attractor.scenarios.suite_files import REQUIREMENTS_FILE
from attractor.scenarios.suite_reader import read_suite


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def coverage(invocation: Invocation, folder: Path, as_json: bool) -> ExitCode:
    """Say which sentences of a specification the scenarios of a suite prove.

    FOLDER is the source of a suite with a list of requirements (requirements.toml). The list is
    compared with the specification of the last commit. Exit with 1 if a sentence has no holdout, or
    changed since.
    """
    suite = read_suite(folder)
    listed = suite.requirements
    if not listed.requirement:
        raise UsageError(
            f"{folder} has no list of requirements",
            hint=f"write {folder / REQUIREMENTS_FILE}, or let an agent draft it: attractor suite "
            f"draft {folder} --from {listed.spec}",
        )
    text = asyncio.run(read_committed(project_of(invocation), listed.spec))
    found = coverage_of(suite, text)
    words = [visible(one) for one in _lines(found, listed.spec, has_text=text is not None)]
    show_result(found.to_record(), *words, as_json=as_json)
    return ExitCode.DONE if found.is_whole else ExitCode.FAILED


def _lines(found: SuiteCoverage, spec: str, *, has_text: bool) -> Iterator[str]:
    proved = found.requirements - len(found.unproved)
    yield f"{proved} of {number_of(found.requirements, 'sentence')} have a holdout"
    yield from (f"  without a holdout: {one}" for one in found.unproved)
    yield from (f"  a scenario without a sentence: {one}" for one in found.free)
    if not has_text:
        yield f"{spec} is not in the last commit"
        return
    for one in found.moved:
        by = ", ".join(found.proofs.get(one.id, ())) or "none"
        yield f"  {'changed' if one.now else 'gone'} since: {one.id} (look at: {by})"
        yield f"    was: {one.sentence}"
        if one.now:
            yield f"    now: {one.now}"
    if found.unlisted:
        yield f"  {number_of(len(found.unlisted), 'sentence')} of {spec} not in the list, such as:"
        yield f"    {found.unlisted[0]}"


part = coverage
