"""A webhook with a valid signature or token lets the server read pull requests; no other does."""

import asyncio
import hmac
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.pulls.propose import propose_run
from attractor.factory.pulls.readings import PullReadings
from attractor.server.service import Service
from tests.factory.flows import Flow, make_flow
from tests.forges import KINDS, NAME, REVIEWER, Hub, Lab, hub
from tests.patience import wait_until
from tests.server.conftest import RunningServer, serving
from tests.tables import table

SECRET = "between-us-and-the-forge"


def sign(content: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.digest(secret.encode(), content, 'sha256').hex()}"


@contextmanager
def proposed(
    tmp_path: Path, secret: str = SECRET, kind: type[Hub] = Hub, **state: Any
) -> Generator[tuple[Hub, Flow, RunningServer]]:
    """Yield a server of a project whose result is proposed; `state` are members of the forge."""
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    with hub(kind, **state) as forge:
        forge.publish(flow.project)
        environ = {**flow.machine.environ, **forge.environ()}
        environ |= {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
        environ |= {"ATTRACTOR_PULL_REQUEST__HOOK_SECRET": secret} if secret else {}
        opened = flow.adjusted(environ=environ).opened
        asyncio.run(propose_run(result.directory, opened, target="", by="ann"))
        with serving(Service.of(flow.project, environ)) as server:
            yield forge, flow, server


def merged_lines(flow: Flow) -> int:
    return sum(one.kind == LineKind.PROMOTED for one in flow.evaluator.ledger.entries())


@table("kind", KINDS)
def test_merge_is_recorded_after_a_valid_webhook(kind: type[Hub], tmp_path: Path) -> None:
    with proposed(tmp_path, kind=kind) as (forge, flow, server):
        forge.tell(f"{server.url}/webhooks/{forge.name}", SECRET)
        forge.merge(1, squash=True)
        wait_until(lambda: merged_lines(flow) == 1)


def test_rate_limit_delays_no_answer_and_locks_no_run(tmp_path: Path) -> None:
    rate = {"limit": 100, "remaining": 100, "reset": 0}
    with proposed(tmp_path, rate=rate) as (forge, flow, server):
        forge.ask("PUT /pulls/1/merge", {"merge_method": "squash"}, by=REVIEWER)
        forge.twin.advance(timedelta(minutes=59, seconds=56))
        while forge.send(f"GET /repos/{NAME}").is_success:
            pass
        content = json.dumps({"repository": {"full_name": NAME}}).encode()
        headers = {"x-hub-signature-256": sign(content)}
        url = f"{server.url}/webhooks/github"
        assert httpx.post(url, content=content, headers=headers).status_code == 202
        time.sleep(2)
        assert merged_lines(flow) == 0
        [manifest] = flow.runs_dir.glob("*/manifest.json")
        with lock_run(manifest.parent, flow.opened):
            forge.twin.advance(timedelta(seconds=10))
        wait_until(lambda: merged_lines(flow) == 1)


def test_webhook_without_a_valid_signature_is_refused(tmp_path: Path) -> None:
    with proposed(tmp_path) as (forge, flow, server):
        forge.ask("PUT /pulls/1/merge", {"merge_method": "squash"}, by=REVIEWER)
        content = json.dumps({"repository": {"full_name": "another/shop"}}).encode()

        def post(signature: str, content: bytes = content) -> int:
            headers = {"x-hub-signature-256": signature}
            url = f"{server.url}/webhooks/github"
            return httpx.post(url, content=content, headers=headers).status_code

        assert post("") == post(sign(content, "another")) == post(sign(b"other")) == 403
        assert post(sign(b"[]"), b"[]") == 422
        assert post(sign(content)) == 202
        # Replayed.
        assert post(sign(content)) == 403
        assert httpx.get(f"{server.url}/webhooks/github").status_code in (401, 405)
        assert merged_lines(flow) == 0


@table("kind", KINDS)
def test_large_webhook_is_signed_whole_and_lets_all_be_read(
    kind: type[Hub], tmp_path: Path
) -> None:
    with proposed(tmp_path, kind=kind) as (forge, flow, server):
        forge.merge(1, squash=True)
        url = f"{server.url}/webhooks/{forge.name}"

        def post(content: bytes, secret: str = SECRET) -> httpx.Response:
            proof = {"x-hub-signature-256": sign(content, secret), "x-gitlab-token": secret}
            return httpx.post(url, content=content, headers=proof)

        content = json.dumps({"object_kind": "note", "text": "x" * 5_000_000}).encode()
        assert post(content, "another").status_code == 403
        assert merged_lines(flow) == 0
        taken = post(content)
        assert (taken.status_code, "read again" in taken.text) == (202, True)
        wait_until(lambda: merged_lines(flow) == 1)
        (PullReadings.of(flow.opened).folder / "damaged.json").write_text("{")
        content = json.dumps({"object_kind": "issue", "text": "y" * 5_000_000}).encode()
        assert post(content).status_code == 202


def test_webhook_of_gitlab_without_a_valid_token_is_refused(tmp_path: Path) -> None:
    with proposed(tmp_path, kind=Lab) as (forge, flow, server):
        forge.merge(1, squash=True)

        def post(token: str, name: str = "another/shop") -> int:
            body = {"project": {"path_with_namespace": name}}
            url, headers = f"{server.url}/webhooks/gitlab", {"x-gitlab-token": token}
            return httpx.post(url, json=body if name else [], headers=headers).status_code

        assert post("", NAME) == post("another", NAME) == post(f"{SECRET}x", NAME) == 403
        assert post(SECRET, "") == 422
        # A repeated one changes nothing.
        assert post(SECRET) == post(SECRET) == 202
        assert merged_lines(flow) == 0


def test_webhook_is_refused_without_a_secret(tmp_path: Path) -> None:
    with proposed(tmp_path, secret="") as (_, _, server):
        content = json.dumps({"repository": {"full_name": NAME}}).encode()
        headers = {"x-hub-signature-256": sign(content, "")}
        refused = httpx.post(f"{server.url}/webhooks/github", content=content, headers=headers)
        assert refused.status_code == 403
        body = {"project": {"path_with_namespace": NAME}}
        url = f"{server.url}/webhooks/gitlab"
        refused = httpx.post(url, json=body, headers={"x-gitlab-token": ""})
        assert refused.status_code == 403
