"""Register a suite as a sealed version."""

import asyncio
from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of, sandbox_option
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.suite_figures import NOT_MEASURED
from attractor.factory.resources.versions import cheat_words


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@sandbox_option("Play trials")
@json_option
@click.pass_obj
def register(invocation: Invocation, folder: Path, sandbox: str, as_json: bool) -> ExitCode:
    """Register a suite as a sealed version.

    FOLDER contains suite.toml, train/ and holdout/. A copy is stored in the state folder. Agents
    cannot read the state folder. Registering the same content again creates no new version.

    The suite is refused if 'attractor suite lint' finds a fault, if the last commit (or the commit
    that the committed suite.lock.json names) does not give the baseline that a scenario declares,
    if a reference patch does not pass, or if a program that does nothing passes a holdout. These
    trials are played in sandboxes. It is also refused if a wrong solution ([[wrong]] in suite.toml)
    passes all holdouts, or if a holdout believes a cheat: a candidate that solves nothing. How many
    wrong solutions, changes left out of a reference, and cheats were noticed is recorded.
    """
    opened = opened_of(invocation)
    by = operator_name(invocation)
    registered = asyncio.run(register_suite(folder, opened, sandbox=sandbox, by=by))
    version, allowed = registered.version, registered.failures_allowed
    news = "sealed as" if registered.is_new else "unchanged since"
    most = f"at most {_count(allowed)} to fail" if allowed else "no failures"
    return show_result(
        registered.to_record(),
        f"suite {version.name}: {news} version {version.number} ({version.content[:12]})",
        f"  {_count(registered.trials)} with held-out scenarios; the gate allows {most}",
        f"  {registered.figures or NOT_MEASURED}",
        f"  {cheat_words(version)}",
        *(f"  {line}" for line in registered.measured),
        as_json=as_json,
    )


def _count(trials: int) -> str:
    return f"{trials} trial" if trials == 1 else f"{trials} trials"


part = register
