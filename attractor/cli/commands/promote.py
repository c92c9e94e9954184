"""Move a Git branch to the result of an approved run."""

import asyncio
from pathlib import Path

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.results import show_changes
from attractor.cli.runs.setup import opened_of
from attractor.engine.state.run_state import StatusWord
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.promote import promote_run
from attractor.factory.operations.queue import queue_run
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.lookup import reference_of

_PULL_REQUEST = "pr"


@click.command()
@run_argument(StatusWord.APPROVED)
@click.option(
    "--to",
    "branch",
    default="main",
    show_default=True,
    metavar="BRANCH|pr[:BRANCH]",
    help="Move this branch; or push the result, and open a pull request to BRANCH of the remote "
    "(default: its default branch).",
)
@click.option("--queue", "is_queued", is_flag=True, help="Wait for the runs queued before.")
@json_option
@click.pass_obj
def promote(
    invocation: Invocation, reference: str, branch: str, is_queued: bool, as_json: bool
) -> ExitCode:
    """Move a Git branch to the result of an approved run.

    The result is added to the branch as one commit. Refused with exit status 4 if the branch has
    changed since the start of the run: see 'attractor rebase'. If the branch is checked out, the
    checked-out files are updated unless they have uncommitted changes. Promoting a run again has no
    effect. With --queue, the run waits its turn, and is rebased if needed: see 'attractor queue'.

    Without RUN, promote the one approved run that is not promoted, if there is one. Left out are
    runs that a later run improves or rebases, runs of the same task before a promoted one, and
    results that were merged by hand or rolled back.

    With --to pr, no branch of this repository moves. The result is proposed on GitHub or GitLab,
    with the token in GITHUB_TOKEN or GITLAB_TOKEN, or of your git; 'attractor pr sync' records its
    merge. A branch with the name pr is refs/heads/pr.
    """
    opened = opened_of(invocation)
    root = opened.find(reference)
    if branch == _PULL_REQUEST or branch.startswith(f"{_PULL_REQUEST}:"):
        if is_queued:
            raise UsageError("--queue is for a branch of this repository, not for a pull request")
        return _propose(invocation, opened, root, branch.partition(":")[2], as_json=as_json)
    if is_queued:
        return _queue(root, opened, branch, operator_name(invocation), as_json=as_json)
    promotion = asyncio.run(promote_run(root, opened, branch=branch, by=operator_name(invocation)))
    facts = read_candidate_run(root)
    changes = asyncio.run(read_diffstat(opened.project, facts.run_id, facts.tree))
    ledger_head = opened.ledger.head().hash
    if as_json:
        show_json(
            {
                **write_fields(promotion, is_rolled_back=""),
                "ledger_head": ledger_head,
                "changes": changes.to_record() if changes else None,
            }
        )
    else:
        what = f"{promotion.commit[:12]} (tag {promotion.tag})"
        if promotion.was_done:
            text = f"already promoted: {promotion.branch} contains {what}"
        else:
            text = f"{promotion.branch} is now {what}"
        show(text)
        show_changes(changes)
        show(f"  ledger head: {ledger_head}")
    return ExitCode.DONE


def _queue(root: Path, opened: OpenProject, branch: str, by: str, *, as_json: bool) -> ExitCode:
    queue = asyncio.run(queue_run(root, opened, branch=branch, by=by))
    run_id = read_candidate_run(root).run_id
    run = queue.find(run_id)
    place = queue.position(run) if run else 0
    return show_result(
        {"branch": queue.branch, "run_id": run_id, "place": place},
        f"{run_id} waits to land on {queue.branch}, at place {place}",
        f"  next: attractor queue run --branch {queue.branch}",
        as_json=as_json,
    )


def _propose(
    invocation: Invocation, opened: OpenProject, root: Path, target: str, *, as_json: bool
) -> ExitCode:
    """Open or update the pull request of a run."""
    # Imported here, because only pull requests need a client of a forge.
    from attractor.factory.pulls.propose import propose_run

    by = operator_name(invocation)
    proposed = asyncio.run(propose_run(root, opened, target=target, by=by))
    found, ledger_head = proposed.round, opened.ledger.head().hash
    record = {**write_fields(found), "number_of_round": proposed.number}
    done = "opened" if proposed.is_new else "updated"
    return show_result(
        {**record, "is_new": proposed.is_new, "ledger_head": ledger_head},
        f"pull request {found.number} {done}: {found.url}",
        f"  {found.commit[:12]} in {found.branch}, for {found.target}, round {proposed.number}",
        f"  ledger head: {ledger_head}",
        f"  next: attractor pr sync {reference_of(root, opened.project.runs_dir)}",
        as_json=as_json,
    )


part = promote
