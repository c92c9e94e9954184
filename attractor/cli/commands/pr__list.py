"""List the pull requests of the project's results."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.setup import opened_of
from attractor.factory.history.entries import UNJUDGED
from attractor.factory.pulls.readings import pull_records
from attractor.factory.pulls.rounds import list_rounds
from attractor.language.source.text import visible


@click.command()
@json_option
@click.pass_obj
def pr_list(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the pull requests of the project's results, as the ledger knows them.

    'attractor pr sync' reads their state from the forge.
    """
    opened = opened_of(invocation)
    if as_json:
        show_json(pull_records(opened))
        return ExitCode.DONE
    listed = list_rounds(opened)
    lines = [("run", "target", "rounds", "state", "address")]
    lines += [
        (
            pull.round.run_id,
            visible(pull.round.target),
            str(pull.rounds),
            f"{pull.ending or 'open'}{f' ({UNJUDGED})' if pull.is_unjudged else ''}",
            visible(pull.round.url),
        )
        for pull in listed
    ]
    none = "There are no pull requests. See how to open one: attractor promote --help"
    show("\n".join(table(lines)) if listed else none)
    return ExitCode.DONE


part = pr_list
