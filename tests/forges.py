"""The twins of forges with a repository of a project, where other people act by their own keys."""

import queue
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service, with_state
from attractor.twins.services.service_twin import ServiceTwin
from tests.examples import ROOT
from tests.pipeline.projects import git, make_project

TWINS = ROOT / "scenarios" / "_twins"
OPERATOR, REVIEWER = "twin-github", "twin-github-reviewer"
CHECKS, STRANGER = "twin-github-checks", "twin-github-stranger"
HELPER = "twin-github-helper"
"""The key of a person who may set labels, and not push."""

NAME = "operator/shop"


@dataclass(frozen=True)
class ShownPull:
    """A pull request as people see it on a forge."""

    title: str
    body: str
    is_draft: bool
    target: str
    labels: list[str]


class Hub:
    """A running twin of GitHub, and the repository `operator/shop`."""

    name, title, api = "github", "GitHub", ""
    place = f"/repos/{NAME}"
    begin = "POST /user/repos"

    def __init__(self, twin: ServiceTwin) -> None:
        self.twin = twin

    def key(self, by: str) -> str:
        """Return the key of a person."""
        return by

    def send(self, words: str, body: Any = None, *, by: str = OPERATOR) -> httpx.Response:
        """Send `GET /path` with the key of a person."""
        method, path = words.split(" ")
        headers = {"authorization": f"Bearer {self.key(by)}"}
        url = f"{self.twin.url}{self.api}{path}"
        return httpx.request(method, url, json=body, headers=headers)

    def ask(self, words: str, body: Any = None, *, by: str = OPERATOR) -> Any:
        """Send `GET /path` about the repository, and return the body of the answer."""
        method, path = words.split(" ")
        response = self.send(f"{method} {self.place}{path}", body, by=by)
        assert response.is_success, response.text
        return response.json()

    def address(self, *, by: str = OPERATOR, name: str = NAME) -> str:
        """Return the address for git, with the key of a person."""
        return f"{self.twin.url.replace('//', f'//x:{self.key(by)}@')}/{name}.git"

    def environ(self, **more: str) -> Mapping[str, str]:
        """Return the variables of the operator."""
        return {**self.twin.environ(), **more}

    def publish(self, project: Path) -> None:
        """Create the repository, and push the project to it as `origin`."""
        self.send(self.begin, {"name": "shop"})
        git(project, "remote", "add", "origin", self.address())
        git(project, "push", "--quiet", "origin", "main")

    def issue(self, title: str, body: str, *, by: str = STRANGER) -> int:
        """Open an issue, and return its number."""
        return int(self.ask("POST /issues", {"title": title, "body": body}, by=by)["number"])

    def label(
        self, number: int, name: str = "fix", *, by: str = REVIEWER, is_set: bool = True
    ) -> None:
        """Set or remove a label of an issue."""
        path = f"/issues/{number}/labels"
        if is_set:
            self.ask(f"POST {path}", {"labels": [name]}, by=by)
        else:
            self.ask(f"DELETE {path}/{name}", by=by)

    def comments(self, number: int) -> list[str]:
        """Return the texts of the comments on an issue."""
        return [str(one["body"]) for one in self.ask(f"GET /issues/{number}/comments")]

    def commit(
        self, folder: Path, branch: str, file: str, text: str, *, by: str = REVIEWER
    ) -> None:
        """Let a person push a commit that writes a file to a branch."""
        git(folder, "clone", "--quiet", self.address(by=by), "clone")
        clone = folder / "clone"
        git(clone, "checkout", "--quiet", branch)
        (clone / file).write_text(text)
        git(clone, "add", file)
        git(clone, "commit", "--quiet", "--message", "By another person")
        git(clone, "push", "--quiet", "origin", branch)

    def shown(self, number: int) -> ShownPull:
        """Return a pull request."""
        found = self.ask(f"GET /pulls/{number}")
        labels = [one["name"] for one in found["labels"]]
        target = found["base"]["ref"]
        return ShownPull(found["title"], found["body"], found["draft"], target, labels)

    def retarget(self, number: int, branch: str) -> None:
        """Change the target of a pull request."""
        self.ask(f"PATCH /pulls/{number}", {"base": branch}, by=REVIEWER)

    def be_ready(self, number: int) -> None:
        """End the draft of a pull request, where drafts cannot be merged."""

    def merge(self, number: int, *, squash: bool = False) -> str:
        """Merge a pull request, and return the commit."""
        body = {"merge_method": "squash" if squash else "merge"}
        return str(self.ask(f"PUT /pulls/{number}/merge", body, by=REVIEWER)["sha"])

    def say(self, number: int, text: str, *, by: str = REVIEWER) -> None:
        """Comment a pull request."""
        self.ask(f"POST /issues/{number}/comments", {"body": text}, by=by)

    def say_about(self, number: int, place: str, text: str, *, by: str = REVIEWER) -> None:
        """Comment a line, such as `made.txt:1`."""
        path, _, line = place.partition(":")
        body = {"body": text, "path": path, "line": int(line)}
        self.ask(f"POST /pulls/{number}/comments", body, by=by)

    def report(self, commit: str, name: str, word: str, log: str = "") -> None:
        """Report a check: `success`, `failure`, or `pending`."""
        is_pending = word == "pending"
        ending = {"status": "queued"} if is_pending else {"conclusion": word}
        body = {"name": name, "head_sha": commit, "log": log, **ending}
        self.ask("POST /check-runs", body, by=CHECKS)

    def gate_of(self, commit: str) -> tuple[str, str]:
        """Return name and state of the only status of a commit."""
        [status] = self.ask(f"GET /commits/{commit}/status")["statuses"]
        return status["context"], status["state"]

    def tell(self, url: str, secret: str) -> None:
        """Add a webhook for changes of pull requests."""
        config = {"url": url, "secret": secret}
        self.ask("POST /hooks", {"config": config, "events": ["pull_request"]})

    def propose_from_fork(self, branch: str) -> None:
        """Let the stranger open a pull request from a branch of a fork."""
        self.ask("POST /forks", {}, by=STRANGER)
        body = {"title": "Mine", "head": f"stranger:{branch}", "base": "main"}
        self.ask("POST /pulls", body, by=STRANGER)

    def write_issue(self, title: str) -> int:
        """Let the stranger open an issue."""
        return int(self.ask("POST /issues", {"title": title}, by=STRANGER)["number"])


class Lab(Hub):
    """A running twin of GitLab, and the project `operator/shop`."""

    name, title, api = "gitlab", "GitLab", "/api/v4"
    place = f"/projects/{quote(NAME, safe='')}"
    begin = "POST /projects"

    def key(self, by: str) -> str:
        return by.replace("github", "gitlab")

    def issue(self, title: str, body: str, *, by: str = STRANGER) -> int:
        made = self.ask("POST /issues", {"title": title, "description": body}, by=by)
        return int(made["iid"])

    def label(
        self, number: int, name: str = "fix", *, by: str = REVIEWER, is_set: bool = True
    ) -> None:
        self.ask(f"PUT /issues/{number}", {f"{'add' if is_set else 'remove'}_labels": name}, by=by)

    def comments(self, number: int) -> list[str]:
        notes = self.ask(f"GET /issues/{number}/notes?sort=asc")
        return [str(one["body"]) for one in notes if not one["system"]]

    def shown(self, number: int) -> ShownPull:
        found = self.ask(f"GET /merge_requests/{number}")
        title = found["title"].removeprefix("Draft: ")
        target, text = found["target_branch"], found["description"]
        return ShownPull(title, text, found["draft"], target, found["labels"])

    def retarget(self, number: int, branch: str) -> None:
        self.ask(f"PUT /merge_requests/{number}", {"target_branch": branch}, by=REVIEWER)

    def be_ready(self, number: int) -> None:
        title = {"title": self.shown(number).title}
        self.ask(f"PUT /merge_requests/{number}", title)

    def merge(self, number: int, *, squash: bool = False) -> str:
        path = f"PUT /merge_requests/{number}/merge"
        found = self.ask(path, {"squash": squash}, by=REVIEWER)
        return str(found["merge_commit_sha"] or found["squash_commit_sha"] or found["sha"])

    def say(self, number: int, text: str, *, by: str = REVIEWER) -> None:
        self.ask(f"POST /merge_requests/{number}/notes", {"body": text}, by=by)

    def say_about(self, number: int, place: str, text: str, *, by: str = REVIEWER) -> None:
        path, _, line = place.partition(":")
        position = {"position_type": "text", "new_path": path, "new_line": int(line)}
        body = {"body": text, "position": {**position, "old_path": path, "old_line": None}}
        self.ask(f"POST /merge_requests/{number}/discussions", body, by=by)

    def report(self, commit: str, name: str, word: str, log: str = "") -> None:
        state = {"failure": "failed"}.get(word, word)
        body = {"state": state, "name": name, "trace": log}
        self.ask(f"POST /statuses/{commit}", body, by=CHECKS)

    def gate_of(self, commit: str) -> tuple[str, str]:
        [status] = self.ask(f"GET /repository/commits/{commit}/statuses")
        return status["name"], status["status"]

    def tell(self, url: str, secret: str) -> None:
        self.ask("POST /hooks", {"url": url, "token": secret, "merge_requests_events": True})

    def propose_from_fork(self, branch: str) -> None:
        self.ask("POST /fork", {}, by=STRANGER)
        target = self.ask("GET ")["id"]
        body = {"title": "Mine", "source_branch": branch, "target_branch": "main"}
        path = "POST /projects/stranger%2Fshop/merge_requests"
        made = self.send(path, {**body, "target_project_id": target}, by=STRANGER)
        assert made.is_success, made.text

    def write_issue(self, title: str) -> int:
        return int(self.ask("POST /issues", {"title": title}, by=STRANGER)["iid"])


KINDS = (Hub, Lab)


@contextmanager
def hub(kind: type[Hub] = Hub, **state: Any) -> Generator[Hub]:
    """Serve the twin of a forge; `state` are members of its state."""
    service = with_state(load_service(TWINS / kind.name), state)
    with in_background(ServiceTwin(service)) as twin:
        yield kind(twin)


@contextmanager
def published(folder: Path, kind: type[Hub] = Hub) -> Generator[tuple[Hub, Path]]:
    """Yield a twin with a project that has the branch `words` beside `main`."""
    project = make_project(folder / "project")
    with hub(kind) as forge:
        forge.publish(project)
        git(project, "checkout", "--quiet", "-b", "words")
        (project / "words.txt").write_text("one\n")
        git(project, "add", "words.txt")
        git(project, "commit", "--quiet", "--message", "Add words")
        git(project, "push", "--quiet", "origin", "words")
        yield forge, project


Webhooks = queue.Queue[tuple[Message, bytes]]
"""The headers and the bodies of webhooks, in the order in which they came."""


@contextmanager
def webhook_receiver() -> Generator[tuple[str, Webhooks]]:
    """Serve an address for webhooks; yield it, and what comes there."""
    got: Webhooks = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.put((self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", got
        server.shutdown()


def pushes(folder: Path, address: str, branch: str) -> subprocess.CompletedProcess[str]:
    """Push the current commit of a repository to a branch of an address."""
    words = ["git", "push", "--quiet", address, f"HEAD:refs/heads/{branch}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
