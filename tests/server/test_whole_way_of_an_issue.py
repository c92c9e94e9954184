"""From a labelled issue to a merged pull request, on each forge, with `attractor serve`."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attractor.automations.store import create_automation
from attractor.factory.decisions.decide import Decision, DecisionKind
from attractor.factory.history.audit import audit
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.decide import decide_run
from attractor.factory.operations.start import start_run
from attractor.factory.pulls.next_round import next_round
from attractor.factory.pulls.propose import propose_run
from attractor.factory.pulls.rounds import list_rounds
from attractor.factory.pulls.sync import sync_pull
from attractor.records.summary import summarize
from attractor.server.service import Service
from tests.automations.desk import automation_in
from tests.factory.flows import ANN, REASON, Flow, make_flow
from tests.forges import KINDS, Hub, hub
from tests.patience import wait_until
from tests.pipeline.projects import git
from tests.server.conftest import serving
from tests.server.test_webhooks import SECRET
from tests.tables import table


def propose(root: Path, flow: Flow) -> None:
    """Approve a result, and let it be a pull request."""
    decide_run(root, flow.opened, Decision(DecisionKind.APPROVED, ANN, REASON))
    asyncio.run(propose_run(root, flow.opened, target="", by="ann"))


@contextmanager
def labelled(kind: type[Hub], tmp_path: Path) -> Generator[tuple[Hub, Flow, int]]:
    """Yield a forge, a project with an automation, and the number of an issue with its label."""
    flow = make_flow(tmp_path)
    with hub(kind) as forge:
        forge.publish(flow.project)
        environ = {
            **flow.machine.environ,
            **forge.environ(),
            "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir),
            "ATTRACTOR_BACKENDS__DEFAULT": "simulate",
            "ATTRACTOR_PULL_REQUEST__HOOK_SECRET": SECRET,
        }
        flow = flow.adjusted(environ=environ)
        number = forge.issue("Make it", "All of it.")
        forge.label(number)
        automation = automation_in(
            flow.opened,
            "fixes",
            schedule=None,
            issue_label="fix",
            suite="todo",
            profile="lenient",
        )
        create_automation(automation, flow.opened)
        yield forge, flow, number


@table("kind", KINDS)
def test_labelled_issue_becomes_a_merged_pull_request(kind: type[Hub], tmp_path: Path) -> None:
    with labelled(kind, tmp_path) as (forge, flow, number):
        with serving(Service.of(flow.project, flow.machine.environ)) as server:
            forge.tell(f"{server.url}/webhooks/{forge.name}", SECRET)
            wait_until(lambda: len(forge.comments(number)) == 2)
            assert "ended: **go: 1 of 1 trials" in forge.comments(number)[1]
            [manifest] = flow.runs_dir.glob("*/manifest.json")
            propose(manifest.parent, flow)
            [made] = [one.round for one in list_rounds(flow.opened)]
            forge.report(made.commit, "test", "failure", "made.txt is too short\n")
            forge.say_about(made.number, "made.txt:1", "Say it twice.")
            asyncio.run(sync_pull(manifest.parent, flow.opened, by="ann"))
            with next_round(manifest.parent, flow.opened) as request:
                following = asyncio.run(start_run(request, flow.opened, feedback=manifest.parent))
            about = f"issue #{number}; round 2 of pull request #{made.number}"
            assert summarize(following.directory).about == f"{about}, 1 remark, 1 failed check"
            propose(following.directory, flow)
            merged = forge.merge(made.number, squash=True)
            wait_until(lambda: [one.ending for one in list_rounds(flow.opened)] == ["merged"])
        lines = flow.evaluator.ledger.entries(following.run_id)
        [landed] = [one for one in lines if one.kind == LineKind.PROMOTED]
        assert (landed.data["commit"], landed.data["pull_request"]) == (merged, made.url)
        wait_until(lambda: git(flow.project, "ls-remote", "origin", "attractor/*") == "")
        assert not audit(flow.machine.state_dir, flow.runs_dir).flaws
