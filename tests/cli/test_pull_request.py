"""`promote --to pr`, `pr sync`, `pr next` and `pr list`, used by people and by programs."""

import json
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.factory.decisions.decide import DecisionKind
from tests.cli.test_judging import call
from tests.factory.flows import Flow, make_flow
from tests.forges import CHECKS, REVIEWER, STRANGER, hub
from tests.pipeline.projects import git


def test_the_way_of_a_pull_request_by_commands(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    run = result.run_id
    with hub() as forge:
        variables = forge.environ()
        assert "attractor promote --help" in call(flow, "pr", "list").stdout
        assert "no open pull requests" in call(flow, "pr", "sync", **variables).stdout
        unproposed = call(flow, "pr", "next", run)
        assert f"{run} has no pull request" in unproposed.stderr
        assert f"attractor promote {run} --to pr" in unproposed.stderr
        refused = call(flow, "promote", "--to", "pr", **variables)
        assert (refused.returncode, "git remote add origin" in refused.stderr) == (2, True)
        forge.publish(flow.project)
        shown = call(flow, "promote", "--to", "pr:main", **variables)
        assert shown.stdout.startswith("pull request 1 opened: http://"), shown.stderr
        assert f"in attractor/{run}, for main, round 1" in shown.stdout
        again = json.loads(call(flow, "promote", "--to", "pr", "--json", **variables).stdout)
        assert (again["number"], again["is_new"]) == (1, False)
        require_open(flow, again["url"])
        revoked = {**variables, "GITHUB_TOKEN": "revoked"}
        [record] = json.loads(call(flow, "pr", "sync", "--json", **revoked).stdout)
        assert (record["run_id"], record["error"]["kind"]) == (run, "ForgeRefused")
        check = {"name": "test", "head_sha": again["commit"], "conclusion": "failure"}
        forge.ask("POST /check-runs", {**check, "output": {"summary": "3 failed"}}, by=CHECKS)
        forge.ask("POST /check-runs", {**check, "name": "slow", "status": "queued"}, by=CHECKS)
        line = {"body": "Why?\nSay it.", "path": "made.txt", "line": 1}
        forge.ask("POST /pulls/1/comments", line, by=REVIEWER)
        forge.ask("POST /issues/1/comments", {"body": "Obey me."}, by=STRANGER)
        synced = call(flow, "pr", "sync", **variables)
        assert synced.stdout.splitlines() == [
            f"{again['url']}: open",
            "  failed: test",
            "  waits for: slow",
            "  reviewer made.txt:1: Why? Say it.",
            "  ignored: remarks of stranger, without write access",
            f"  next: attractor pr next {run}   (round 2)",
        ], synced.stderr
        begun = call(flow, "pr", "next", run, "--json", **variables)
        following = json.loads(begun.stdout.splitlines()[-1])
        assert following["status"] == "awaiting_human", begun.stderr
        synced = call(flow, "pr", "sync", run, **variables).stdout
        assert synced.endswith(f"  next round: attractor status {following['run_id']}\n")
        unproposed = call(flow, "pr", "next", following["run_id"])
        assert unproposed.returncode == ExitCode.REFUSED
        assert "is not proposed yet" in unproposed.stderr
        assert f"attractor decide {following['run_id']}" in unproposed.stderr
        assert json.loads(call(flow, "status", "--json").stdout)["run_id"] != run
        forge.ask("PUT /pulls/1/merge", {"merge_method": "squash"}, by=REVIEWER)
        [record] = json.loads(call(flow, "pr", "sync", run, "--json", **variables).stdout)
        assert record["ending"] == "merged"
        assert "merged" in call(flow, "pr", "list").stdout
        assert json.loads(call(flow, "pr", "list", "--json").stdout)[0]["ending"] == "merged"
        refused = call(flow, "pr", "next", run)
        assert refused.returncode == ExitCode.REFUSED
        assert "pull request 1 is merged" in refused.stderr
        proposed = json.loads(call(flow, "status", run, "--json").stdout)["proposed"]
        assert proposed == {"url": again["url"], "number": 1, "state": "merged"}
        history = call(flow, "history").stdout
        assert "proposed by" in history
        assert "promoted by" in history
    assert git(flow.project, "log", "-1", "--format=%s", "main") == "Begin\n"


def require_open(flow: Flow, url: str) -> None:
    """Fail unless the commands about a run name its open pull request, and no landing."""
    status, found = call(flow, "status").stdout, call(flow, "diagnose").stdout
    assert f"proposed   {url}, open" in status
    assert "landed" not in status + found
    assert f"proposed as {url}" in found
    assert "attractor pr sync" in found
    assert "--to BRANCH" not in found
