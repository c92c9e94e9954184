"""Check a suite without playing it."""

import asyncio
from pathlib import Path

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import opened_of
from attractor.factory.registration.register_suite import lint
from attractor.scenarios.satisfaction import failures_allowed
from attractor.scenarios.suite import Suite


@click.command("lint")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def lint_suite(invocation: Invocation, folder: Path, as_json: bool) -> ExitCode:
    """Check a suite without playing it: files, thresholds, splits, stories, tags, pipeline.

    Hints do not change the exit status. Exit with 1 if a fault is found, with 2 if a file is
    invalid.
    """
    suite, found = asyncio.run(lint(folder, opened_of(invocation)))
    faults = [one for one in found if not one.is_hint]
    hints = [one for one in found if one.is_hint]
    record = {
        "faults": [fault.to_record() for fault in faults],
        "hints": [hint.to_record() for hint in hints],
    }
    words = "\n".join(map(str, faults)) or _summary(suite)
    show_result(record, *(f"hint: {hint}" for hint in hints), words, as_json=as_json)
    return ExitCode.FAILED if faults else ExitCode.DONE


def _summary(suite: Suite) -> str:
    holdouts, train = len(suite.of_split("holdout")), len(suite.of_split("train"))
    trials = holdouts * suite.settings.trials.n
    return (
        f"no problems found in {number_of(train, 'train scenario')} and "
        f"{number_of(holdouts, 'holdout')}; the gate allows {failures_allowed(suite)} of "
        f"{number_of(trials, 'trial')} to fail"
    )


part = lint_suite
