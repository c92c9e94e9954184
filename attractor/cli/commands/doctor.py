"""Check this machine and list remedies for problems."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from attractor import __version__
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.records import write_fields
from attractor.base.registry import Registry
from attractor.cli.doctor import CheckStatus, Examination, Finding, Machine, problem
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.pipelines.files import gallery_files
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import opened_of
from attractor.config.configuration import Configuration
from attractor.config.settings import Settings
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.project import describe_project, list_project_folders, list_project_ids
from attractor.language.source.text import visible
from attractor.worlds.orders import find_moved

COLORS = {CheckStatus.OK: "green", CheckStatus.MISSING: "yellow", CheckStatus.PROBLEM: "red"}


@click.command()
@click.argument(
    "pipelines",
    nargs=-1,
    type=click.Path(path_type=Path),
    metavar="[PIPELINE.dot]...",
    callback=gallery_files,
)
@click.option(
    "--project",
    "project_id",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[ID]",
    help="List the projects of the state folder, with suites, decisions and runs folder. With ID, "
    "make that project the project of this folder, and find the dimensions that moved with it.",
)
@json_option
@click.pass_obj
def doctor(
    invocation: Invocation, pipelines: tuple[Path, ...], project_id: str | None, as_json: bool
) -> ExitCode:
    """Check this machine and list remedies for problems.

    Check programs, folders, sandboxes and the ways to models (API keys are never printed).
    With PIPELINE, also check the programs and secrets that the pipeline requires. List all
    effective settings with their sources. Nothing is changed, except by --project ID. Exit with 1
    if a problem prevents all work.
    """
    if project_id is not None:
        return _choose_project(invocation, project_id, as_json=as_json)
    configuration = invocation.configuration
    machine = Machine(invocation.environ, invocation.folder, configuration)
    findings = asyncio.run(_examine_with(machine, pipelines))
    if as_json:
        show_json(as_record(findings, configuration))
    else:
        show(as_text(findings, configuration), color=invocation.color)
    healthy = all(finding.standing is not CheckStatus.PROBLEM for finding in findings)
    return ExitCode.DONE if healthy else ExitCode.FAILED


def _choose_project(invocation: Invocation, project_id: str, *, as_json: bool) -> ExitCode:
    """List the projects of the state folder; first make one the project of this folder."""
    opened = opened_of(invocation)
    ledger, identity, state_dir = opened.ledger, opened.identity, opened.project.machine.state_dir
    if project_id:
        refuse_in_run("'attractor doctor --project ID'", invocation.environ)
        places = {folder.project_id: folder.root for folder in list_project_folders(state_dir)}
        identity.adopt(project_id, ledger, by=operator_name(invocation), now=opened.now())
        find_moved(opened, places.get(project_id, opened.project.root))
    here, ids = identity.project_id(), list_project_ids(state_dir)
    known = [describe_project(state_dir, ledger, one) for one in ids]
    if as_json:
        show_json([{**write_fields(one), "is_here": one.project == here} for one in known])
        return ExitCode.DONE
    for one in known:
        mark = " (this project)" if one.project == here else ""
        show(visible(f"{one.project}  {one.counts}  {one.runs_dir or 'unknown place'}{mark}"))
    if not known:
        show("The state folder has no projects.")
    elif not project_id:
        show("To make one of them the project of this folder: attractor doctor --project ID")
    return ExitCode.DONE


async def _examine_with(machine: Machine, pipelines: Sequence[Path]) -> list[Finding]:
    from attractor.cli.doctor import examine_needs

    # Read first, so that an unreadable pipeline fails immediately.
    needed = await examine_needs(machine, pipelines) if pipelines else []
    return [*await examine_all(machine, examination_registry()), *needed]


def examination_registry() -> Registry[Examination]:
    """Return the registry of checks."""
    return Registry("attractor.cli.doctor_checks", Examination, noun="examination")


async def examine_all(machine: Machine, parts: Registry[Examination]) -> list[Finding]:
    """Run all checks concurrently and return their findings, sorted by name."""
    found = await asyncio.gather(*(_examine(name, machine, parts) for name in parts))
    return [finding for findings in found for finding in findings]


async def _examine(name: str, machine: Machine, parts: Registry[Examination]) -> Sequence[Finding]:
    """Run one check; if the check fails to run, return the failure as a finding."""
    try:
        return await parts[name](machine)
    except AttractorError as error:
        remedy = error.hint or "fix the reported error"
        return [problem(name, f"check failed: {error}", remedy=remedy)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what doctor is asked for
        message = f"check failed: {type(error).__name__}: {error}"
        return [problem(name, message, remedy="fix the error and run 'attractor doctor' again")]


def as_record(
    findings: Sequence[Finding], configuration: Configuration[Settings]
) -> dict[str, object]:
    """Return the findings as a JSON object."""
    count = {
        standing: sum(one.standing is standing for one in findings) for standing in CheckStatus
    }
    return {
        "attractor": __version__,
        "findings": [asdict(finding) for finding in findings],
        "configuration": [
            {"key": entry.key, "value": entry.plain, "origin": entry.origin.describe()}
            for entry in configuration.entries()
        ],
        "summary": count,
    }


def as_text(findings: Sequence[Finding], configuration: Configuration[Settings]) -> str:
    """Return the findings as text for people."""
    lines = [f"attractor {__version__}", ""]
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        standing = click.style(f"{finding.standing:<8}", fg=COLORS[finding.standing])
        lines.append(f"  {standing} {finding.subject:<{width}}  {finding.found}")
        if finding.remedy:
            lines.append(f"  {'':<8} {'':<{width}}  remedy: {finding.remedy}")
    lines += ["", "Settings and their sources:", *_settings(configuration), ""]
    problems = sum(finding.standing is CheckStatus.PROBLEM for finding in findings)
    lacking = sum(finding.standing is CheckStatus.MISSING for finding in findings)
    if problems:
        summary = f"Not ready. {problems} to fix, {lacking} missing for some tasks."
    elif lacking:
        summary = f"Ready. {lacking} missing for some tasks."
    else:
        summary = "Ready. Nothing is missing."
    return "\n".join([*lines, summary])


def _settings(configuration: Configuration[Settings]) -> list[str]:
    entries = configuration.entries()
    rows = [(entry.key, entry.words, entry.origin.describe()) for entry in entries]
    keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [visible(f"  {key:<{keys}}  {value:<{values}}  {origin}") for key, value, origin in rows]


part = doctor
