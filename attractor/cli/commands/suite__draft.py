"""Let an agent draft a suite from a specification."""

import asyncio
from dataclasses import replace
from pathlib import Path
from shlex import quote

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import make_private_folder
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import budget_options, chosen_model_options, opened_of, sandbox_option
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.budgets import Budgets
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.factory.registration.drafts import (
    FILE,
    drafts_folder,
    open_draft,
    parts_of,
    pipeline_text,
    task_of,
)
from attractor.factory.registration.taking import choose_folder
from attractor.factory.specification import read_committed
from attractor.language.source.text import visible
from attractor.records.request import RunRequest
from attractor.workspaces.create.registry import COPY


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "spec",
    required=True,
    metavar="SPEC.md",
    help="The specification, a file of the last commit below the folder of the project.",
)
@click.option(
    "--agent",
    "agent_name",
    default="requirements",
    show_default=True,
    metavar="NAME",
    help="The agent that drafts; it should not be the one that builds.",
)
@click.option("--backend", default="agent", show_default=True, help="Work with this backend.")
@chosen_model_options
@sandbox_option()
@budget_options
@json_option
@click.pass_obj
def draft(
    invocation: Invocation,
    folder: Path,
    spec: str,
    agent_name: str,
    backend: str,
    model: str,
    provider: str,
    sandbox: str,
    budgets: Budgets,
    as_json: bool,
) -> ExitCode:
    """Let an agent draft a suite from a specification.

    In a run, the agent writes a list of requirements, scenarios that prove them, a reference, and
    wrong solutions that break one requirement each. All of it is played on the last commit, and
    kept in the state folder, where no agent reads it. Nothing is in a suite before a person takes
    it into FOLDER, one part after the other: attractor suite take RUN FOLDER.
    """
    opened = opened_of(invocation)
    run_id = opened.project.machine.new_run_id()
    root = drafts_folder(opened) / run_id
    watcher = Watcher(invocation, root, as_json=False)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    path = str(Path(spec))
    if asyncio.run(read_committed(opened.project, path)) is None:
        raise UsageError(f"{path} is not in the last commit", hint=f"git add {path} && git commit")
    request = RunRequest(
        file=Path(FILE).absolute(),
        goal=task_of(path),
        backend=backend,
        model=model,
        provider=provider,
        workspace=COPY,
        sandbox=sandbox,
        budgets=budgets,
        evaluate=False,
    )
    texts = {str(request.file): pipeline_text(agent_name)}
    # A suite would judge the reference as a candidate.
    drafting = OpenProject(replace(opened.project.with_texts(texts), suite=""))
    # No agent, list or server shows a folder below the state folder.
    make_private_folder(root.parent)
    result = walk(start_run(request, drafting, root=root, run_id=run_id), watcher)
    if result.exit_code is not ExitCode.DONE:
        raise UsageError(
            f"{run_id} drafted nothing: {result.reason}",
            hint=f"attractor resume {quote(str(root))}\nattractor suite take {run_id} {folder}",
        )
    drafted = asyncio.run(open_draft(result.directory, opened, sandbox=sandbox))
    choose_folder(drafted, folder)
    parts = parts_of(drafted)
    faulty = [one for one in parts if one.faults]
    return show_result(
        {"run": drafted.run_id, "parts": [one.to_record() for one in parts]},
        f"{number_of(len(parts), 'draft')}, {len(faulty)} with a fault",
        *(visible(f"  {one.id}: {one.faults[0]}") for one in faulty),
        f"next: attractor suite take {run_id} {folder}",
        as_json=as_json,
    )


part = draft
