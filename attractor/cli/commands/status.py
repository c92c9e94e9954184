"""Say where a run stands."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.pipeline.runs import RunSummary, find_run, summarize


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def status(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Say where a run stands.

    RUN is an id, the beginning of one, a run directory, or 'latest', which it is unless said.
    """
    summary = summarize(find_run(reference, invocation.configuration.settings.runs_dir))
    if as_json:
        show_json(summary.to_record())
    else:
        show(_text(summary))
    return ExitCode.DONE


def _text(one: RunSummary) -> str:
    rows = [
        ("run", one.run_id),
        ("pipeline", one.pipeline),
        ("goal", one.goal),
        ("started", one.started.astimezone().isoformat(timespec="seconds")),
        ("status", f"{one.status} ({one.phase})" if one.phase else one.status),
        ("outcome", one.outcome),
        ("reason", one.reason),
        ("next", one.next_node),
        ("directory", str(one.directory)),
    ]
    return "\n".join(f"{name:<10} {value}" for name, value in rows if value)


part = status
