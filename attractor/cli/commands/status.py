"""Say where a run stands."""

from datetime import datetime

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.engine.status import AWAITING_ANSWER, RunStatus
from attractor.pipeline.runs import RunSummary, find_run, reference_of, summarize


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def status(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Say where a run stands, and whether a process is at work on it.

    RUN is an id, the beginning of one, a run directory, or 'latest', which it is unless said. What
    is told comes from the journal; it ends with 6 when run.json says what the journal never did.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    root = find_run(reference, runs_dir)
    summary = summarize(root)
    if as_json:
        show_json(summary.to_record())
    else:
        show(as_text(summary, reference_of(root, runs_dir)))
    return summary.trouble_code


def as_text(one: RunSummary, reference: str) -> str:
    """Return where a run stands for a person."""
    rows = [
        ("run", one.run_id),
        ("pipeline", one.pipeline),
        ("goal", one.goal),
        ("started", _time(one.started)),
        ("status", f"{one.status} ({one.phase})" if one.phase else one.status),
        *_work(one, reference),
        ("restart", f"{one.restart} of run {one.parent}" if one.restart else ""),
        ("goes on", f"as run {one.restarted_as}" if one.restarted_as else ""),
        ("outcome", one.outcome),
        ("reason", one.reason),
        *_answer(one, reference),
        ("next", "" if one.stage == one.next_node else one.next_node),
        ("directory", str(one.directory)),
        ("trouble", one.trouble),
    ]
    return "\n".join(f"{name:<10} {value}" for name, value in rows if value)


def _work(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say what is at work, or that nobody is and what to do about it."""
    is_judged = one.status == RunStatus.EVALUATING
    stage = f"stage {one.stage}" if one.stage else f"front of stage {one.next_node or 'one'}"
    if one.is_live:
        return [("at work", "its evaluation" if is_judged else stage)]
    if not one.is_stopped:
        return []
    where = "before its evaluation was through" if is_judged else f"in {stage}"
    when = f" at {_time(one.written)}" if one.written else ""
    command = "evaluate" if is_judged else "resume"
    return [
        ("stopped", f"{where}{when}; nobody is at work on it"),
        ("go on", f"attractor {command} {reference}"),
    ]


def _answer(one: RunSummary, reference: str) -> list[tuple[str, str]]:
    """Say how to answer what a parked run asks; its reason is the question."""
    if one.phase != AWAITING_ANSWER.phase:
        return []
    return [
        ("answer", f"attractor answer {reference} CHOICE"),
        ("go on", f"attractor resume {reference}   (at a terminal it asks there)"),
    ]


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")


part = status
