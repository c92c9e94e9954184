"""No operation answers a token of one project with anything of another one."""

from pathlib import Path

import httpx

from attractor.factory.ledger.tokens import digest_of
from attractor.factory.operator_process import Scope
from attractor.server.access.limits import UNLIMITED
from attractor.server.application import OPENAPI
from attractor.server.service import Service
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import PAGE, SETTINGS, RunningServer, service_of, serving
from tests.server.runs import await_rest
from tests.server.test_attacks import Operation, operations_in

CANARY = "canary"
LEAK = f"""digraph {CANARY} {{ graph [goal="{CANARY}"]; start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="{CANARY}"]; ask [shape=hexagon, label="{CANARY}?"]
    make [shape=parallelogram, tool_command="echo {CANARY}"]
    start -> plan -> make -> ask -> exit }}"""
SCOPES = (Scope.READ, Scope.OPERATE, Scope.DECIDE)


def fill(server: RunningServer, project: str) -> str:
    """Give a project a run, an actor, a profile and a specification; return the run."""
    with server.client("decide") as client:

        def post(path: str, *, query: bool = True, **body: object) -> httpx.Response:
            there = {"project": project} if query else {}
            answer = client.post(path, params=there, json=body)
            assert answer.status_code < 300, answer.text
            return answer

        run = post("/api/v1/runs", source=LEAK, sandbox="none", workspace="none").json()["id"]
        await_rest(client, run)
        actor = {"name": "one", "backend": "simulate", "sandbox": "none", "project": project}
        post("/api/v1/actors", query=False, words=CANARY, **actor)
        place = f"/api/v1/actors/{project}/one"
        wait_until(lambda: client.get(place).json()["answered"] == 1)
        post("/api/v1/profiles", name="kept", policy={})
        post("/api/v1/profiles/kept/retire", reason=f"It is a {CANARY} of another project.")
        post("/spec/normalize", desires=[{"goal": f"Show each {CANARY}"}])
        return run


def asked(client: httpx.Client, one: Operation, place: str, **query: str) -> str:
    """Return the answer of an operation, except the events of a stream."""
    headers = {"content-type": one.content_type, **PAGE}
    with client.stream(
        one.method, place, params=query, content=one.body, headers=headers
    ) as answer:
        is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
        text = "" if is_stream else answer.read().decode(errors="replace")
        return f"{answer.status_code} {answer.headers} {text}"


def test_tokens_of_a_project_read_nothing_of_another_one(tmp_path: Path) -> None:
    settings = {"attractor.toml": SETTINGS}
    service = service_of(make_project(tmp_path / CANARY, **settings))
    own = Service.of(make_project(tmp_path / "own", **settings), service.processes.environ)
    foreign, ours = (one.opened.identity.create_id() for one in (service, own))
    store, now = service.access.tokens, service.opened.now()
    store.create(f"{CANARY}-token", "read", "theirs", by=CANARY, now=now, projects=[foreign])
    for scope in SCOPES:
        store.create(f"ours-{scope}", scope, f"ours-{scope}", by="ann", now=now, projects=[ours])
    secrets = (CANARY, digest_of("theirs"), digest_of(f"ours-{Scope.DECIDE}"))
    sent = 0
    with serving(service, limits=UNLIMITED) as server:
        run = fill(server, foreign)
        known = {"project": foreign, "run": run, "id": run, "name": "one", "stage": "plan"}
        known |= {"reference": "kept", "row": f"{foreign}/one", "question": "ask@1.1"}
        for scope in SCOPES:
            headers = {"authorization": f"Bearer ours-{scope}"}
            with httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE_S) as client:
                document = client.get(OPENAPI).json()
                for one in operations_in(document):
                    places = [(one.at(known), {"project": foreign})]
                    if one.method == "GET":
                        places += [(one.at(known), {}), (one.at({**known, "project": ours}), {})]
                        places += [(one.at({**known, "run": "latest"}), {"id": run, "run": run})]
                    for place, query in places:
                        text = asked(client, one, place, **query)
                        found = [secret for secret in secrets if secret in text]
                        at = text.find(found[0]) if found else 0
                        words = (scope, one.method, place, query, text[at - 99 : at + 99])
                        assert not found, words
                        sent += 1
                # The operations answered about the own project.
                assert client.get("/api/v1/version").json()["project"] == str(own.project.root)
                assert client.get("/api/v1/audit/ledger").status_code == 200
        with server.client("read") as client:
            lines = client.get("/api/v1/audit/ledger", params={"kind": "token_created"})
            assert "ours-decide" in lines.text
            assert digest_of("ours-decide") not in lines.text
    assert sent > 1000
