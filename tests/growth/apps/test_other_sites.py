"""Pages of other sites send each form of an app, and each request of its API: nothing changes."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_access import OTHERS
from tests.growth.apps.test_hooks import BODIES, HOOKED, SECRET
from tests.growth.apps.test_pages import fill, records, served

ROUTES = """
import json
from pathlib import Path

from app.answers import App
from app.web import application

routes = application(App(Path("../probed"), None, 0)).routes
sent = [[method, one.path] for one in routes for method in one.methods - {"GET", "HEAD"}]
print(json.dumps(sorted(sent)))
"""
PARTS: Mapping[str, str] = {
    "entity": "tool",
    "id:path": "Saw",
    "id": "lend_again",
    "action": "lend_again",
    "pipeline": "lending",
    "hook": "shop",
}
FORM = {"name": "Axe", "kind": "hand", "words": "Spam", "sure": "yes"}


def routes(tree: Path) -> Sequence[tuple[str, str]]:
    """Return the method and a path of each route that may change something."""
    asked = [sys.executable, "-c", ROUTES]
    done = subprocess.run(asked, cwd=tree, capture_output=True, text=True, check=True)
    return [
        (method, re.sub(r"\{([^}]+)\}", lambda part: PARTS.get(part[1], "x"), path))
        for method, path in json.loads(done.stdout)
    ]


def test_no_request_of_another_site_changes_anything(tmp_path: Path) -> None:
    tree = write_with_bodies(HOOKED, tmp_path / "tree", BODIES)
    found = routes(tree)
    assert len(found) >= 13
    with served(tree, HOOK_SHOP_SECRET=SECRET) as client:
        fill(client)

        def state() -> list[object]:
            entities = ("tool", "neighbour", "wish", "loan")
            return [*(records(client, one) for one in entities), client.get("/telemetry").json()]

        def send(method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
            if path.startswith(("/records", "/new", "/do", "/tell")):
                return client.request(method, path, data=FORM, headers=headers)
            # A form of another site can send a text that is JSON.
            text = {"content-type": "text/plain", **headers}
            content = json.dumps({"name": "Axe", "kind": "hand"})
            return client.request(method, path, content=content, headers=text)

        before = state()
        for method, path in found:
            # A hook needs the signature of another program, whatever its site.
            refused = 401 if path.startswith("/hooks/") else 403
            for name, headers in OTHERS.items():
                answer = send(method, path, headers)
                assert answer.status_code == refused, (name, method, path)
        assert state() == before
        assert not (tmp_path / "state" / "feedback.jsonl").exists()
        own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
        for method, path in found:
            if not path.startswith("/hooks/"):
                assert send(method, path, own).status_code != 403, (method, path)
        assert state() != before
