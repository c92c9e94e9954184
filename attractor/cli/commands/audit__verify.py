"""Verify ledger, journals, decisions, results, tokens and registered versions."""

import asyncio

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_result
from attractor.cli.runs.setup import opened_of
from attractor.cli.shell_completion import complete_runs
from attractor.factory.decisions.promotion import ledger_head_of
from attractor.factory.history.audit import AuditReport, audit
from attractor.language.source.text import visible
from attractor.records.lookup import outermost_run


@click.command()
@click.argument("reference", metavar="RUN", default="", shell_complete=complete_runs)
@click.option(
    "--head",
    "named",
    metavar="HASH",
    help="Also verify that the ledger contains the line with this hash, printed by decide and "
    "promote, or the decision of this promoted commit.",
)
@json_option
@click.pass_obj
def verify(invocation: Invocation, reference: str, named: str | None, as_json: bool) -> ExitCode:
    """Verify ledger, journals, decisions, results, tokens and registered versions.

    Verify all records of the state folder and its running apps, or the ledger and RUN. Recompute
    every hash chain, name the first corrupt line of each, and exit with 6. Without the key of the
    ledger, the chains are verified, and the number of unchecked seals is printed. Only --head
    reveals a state folder that was replaced by an older copy as a whole.
    """
    opened = opened_of(invocation)
    project = opened.project
    # The records of a child belong to the outermost run.
    root = outermost_run(opened.find(reference)) if reference else None
    head = ""
    if named is not None:
        head = asyncio.run(
            ledger_head_of(project.root, named, search_path=project.machine.search_path)
        )
    report = audit(
        project.machine.state_dir,
        project.runs_dir,
        only=root,
        head=head,
        on_progress=_show_progress,
    )
    if root is None:
        # Imported here, because it needs growth.
        from attractor.growth.api.deployments import audit_releases

        audit_releases(report, project.machine.state_dir, invocation.environ)
    show_result(report.to_record(), *_lines(report, head), as_json=as_json)
    return ExitCode.BROKEN if report.flaws else ExitCode.DONE


def _show_progress(done: int, of: int) -> None:
    if done % 1000 == 0:
        show(f"verified {done} of {of} runs", err=True)


def _lines(report: AuditReport, head: str) -> list[str]:
    counted = (
        f"{number_of(report.lines, 'line')} of the ledger",
        number_of(report.runs, "run"),
        f"{number_of(report.decisions, 'record')} of decisions",
        number_of(report.results, "result"),
        number_of(report.tokens, "token"),
        f"{number_of(report.versions, 'record')} of profiles, suites and pipelines",
    )
    if report.releases:
        counted = (*counted, number_of(report.releases, "running app"))
    lines = [f"verified: {', '.join(counted)}"]
    if report.unchecked_seals:
        lines.append(
            f"The key of the ledger is missing: {report.unchecked_seals} seals, results and tokens "
            "were not checked."
        )
    if report.removed:
        lines.append(
            f"{number_of(len(report.removed), 'undecided run')} of the ledger without a directory."
        )
    lines += [f"promoted: {visible(promotion)}" for promotion in report.unjudged]
    if head and not report.flaws:
        lines.append(f"The ledger contains the line {head}.")
    if not report.flaws:
        return [*lines, "No problems found."]
    problems = [
        f"{'unreadable' if flaw.is_foreign else 'corrupt'}: {flaw.problem} ({flaw.remedy})"
        for flaw in report.flaws
    ]
    return [*lines, *map(visible, problems)]


part = verify
