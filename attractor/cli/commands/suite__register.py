"""Seal a suite as a version that runs can be judged by."""

from pathlib import Path

import click

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.factory.suites import Registered, SuiteStore


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def register(invocation: Invocation, folder: Path, as_json: bool) -> ExitCode:
    """Seal a suite as a version that runs can be judged by.

    FOLDER holds suite.toml, train/ and holdout/. A copy is kept in the state folder, where no agent
    can see it. The same content again is the same version.
    """
    store = SuiteStore(invocation.configuration.settings.state_dir)
    registered = store.register(folder, now=SystemClock().now())
    if as_json:
        show_json(_record(registered))
    else:
        show(_text(registered))
    return ExitCode.DONE


def _record(registered: Registered) -> dict[str, object]:
    version = registered.version
    return {
        "name": version.name,
        "version": version.version,
        "seal": version.seal,
        "is_new": registered.is_new,
        "trials": registered.trials,
        "failures_tolerated": registered.failures_tolerated,
    }


def _text(registered: Registered) -> str:
    version = registered.version
    news = "sealed as" if registered.is_new else "unchanged since"
    return (
        f"suite {version.name}: {news} version {version.version} ({version.seal[:12]})\n"
        f"  {registered.trials} trials of holdouts; the lower bound tolerates "
        f"{registered.failures_tolerated} failures"
    )


part = register
