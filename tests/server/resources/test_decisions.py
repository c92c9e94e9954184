"""Judging, deciding and promoting over HTTP follows the rules of the commands."""

import httpx

from tests.factory.flows import REASON
from tests.pipeline.projects import git
from tests.server.conftest import Judged


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:attractor:")


def test_run_is_waived_approved_promoted_and_rolled_back(judged: Judged) -> None:
    server, run = judged
    at, words = f"/api/v1/runs/{run}", {"rationale": REASON}
    project = server.service.project.root
    before = git(project, "rev-parse", "main")
    with server.client("decide") as client:
        assert client.get(f"{at}/gate").json()["go"] is False
        approval = {"verdict": "approved", **words}
        assert refusal(client.post(f"{at}/decision", json=approval)) == (409, "NoGo")
        assert refusal(client.post(f"{at}/promotion", json={})) == (409, "NoDecision")
        waiver = {"scenario": "made", "reason": REASON, "expires": "1d"}
        assert client.post(f"{at}/waivers", json=waiver).status_code == 201
        assert client.get(f"{at}/gate").json()["go"] is True
        decided = client.post(f"{at}/decision", json=approval)
        assert decided.status_code == 201
        assert decided.json()["by"].startswith("ann-decide")
        assert decided.json()["proof"] == "token"
        assert refusal(client.post(f"{at}/decision", json=approval)) == (409, "AlreadyDecided")
        assert client.post(f"{at}/amendments", json={"note": REASON}).status_code == 201
        promoted = client.post(f"{at}/promotion", json={}).json()
        assert promoted["commit"] == git(project, "rev-parse", "main").strip()
        done = client.post(f"{at}/rollback", json={"reason": REASON}).json()
        assert done["commit"] == git(project, "rev-parse", "main").strip()
    assert git(project, "diff", before.strip(), "main") == ""


def test_holdouts_are_shown_to_callers_who_decide_only(judged: Judged) -> None:
    server, run = judged
    for view in ("gate", "review"):
        at = f"/api/v1/runs/{run}/{view}"
        with server.client("operate") as client:
            assert "It is made" not in client.get(at).text
            assert refusal(client.get(at, params={"operator": True})) == (403, "Forbidden")
        with server.client("decide") as client:
            assert "It is made" in client.get(at, params={"operator": True}).text


def test_decision_needs_the_scope_decide(judged: Judged) -> None:
    server, run = judged
    with server.client("operate") as client:
        for what in ("decision", "waivers", "amendments"):
            answer = client.post(f"/api/v1/runs/{run}/{what}", json={})
            assert refusal(answer) == (403, "Forbidden")
    assert len(server.service.factory.history()) == 0
