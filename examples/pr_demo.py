"""From a labelled issue to a merged pull request, as `make pr-demo` plays it.

It copies examples/todo and scenarios/todo into a fresh repository on a twin of GitHub, serves the
project, and types the commands of a person there. An issue is labelled, and an automation starts a
run. Its result passes the hidden scenarios and becomes a pull request; a check fails and a reviewer
remarks something, so there is a second round, which is merged. The models' answers come from a
script; the forge is a twin on this machine.

Exits with 0 after the merge is recorded, otherwise with the unexpected exit status of a command.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from demo import CLONE, TODO, USAGE, Stage, Surprise, make_project, open_stage, say, sign_in

from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin

NAME = "operator/todo"
SECRET = "between-the-forge-and-us"
TITLE = "list --open shows only the open tasks"
BODY = "The usage names it, and the numbers stay those of the whole list."
LOG = "todo.py: the first line names no option --open\n"
REMARK = "The first line names no --open."
REVIEWER, CHECKS = "twin-github-reviewer", "twin-github-checks"
EVENTS = ["issues", "pull_request", "pull_request_review_comment", "check_run"]
LIMIT_S = 60.0


@dataclass(frozen=True)
class Hub:
    """The twin of GitHub with the repository of the demo."""

    twin: ServiceTwin

    @property
    def address(self) -> str:
        """The address of the repository for git."""
        return f"{self.twin.url.replace('//', '//operator:twin-github@')}/{NAME}.git"

    def ask(self, words: str, body: Any = None, *, by: str = "twin-github") -> Any:
        """Send `POST /path` about the repository as a person, and return the answer."""
        method, path = words.split(" ")
        request = urllib.request.Request(
            f"{self.twin.url}{path.replace('/_', f'/repos/{NAME}')}",
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {by}", "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)


def main() -> int:
    """Play the demo, and print where its files are."""
    twin = ServiceTwin(load_service(CLONE / "scenarios" / "_twins" / "github"))
    with open_stage(TODO / "twins" / "issue.toml") as stage, in_background(twin):
        environ: Mapping[str, str] = {
            **stage.environ,
            **twin.environ(),
            "ATTRACTOR_PULL_REQUEST__HOOK_SECRET": SECRET,
        }
        try:
            play(replace(stage, environ=environ), Hub(twin))
        except Surprise as surprise:
            say(f"\nThe demo ended early: {surprise}. Everything is in {stage.folder}.")
            return surprise.code
        say(f"\nEverything is in {stage.folder}.")
    return 0


def play(stage: Stage, hub: Hub) -> None:
    """Play all steps of the demo."""
    prepare(stage, hub)
    person = sign_in(stage)
    with served(stage) as url:
        hook = {"url": f"{url}/webhooks/github", "secret": SECRET}
        hub.ask("POST /_/hooks", {"config": hook, "events": EVENTS})
        first_round(person, hub)
        second_round(person, hub)
        say("\n# The reviewer merges it by squash; the webhook has it recorded")
        hub.ask("PUT /_/pulls/2/merge", {"merge_method": "squash"}, by=REVIEWER)
        await_(person, lambda: person.ask("pr", "list")[-1]["ending"])
        person.attractor("pr", "list")
    say("\n# What the people on the forge read at the issue")
    for one in hub.ask("GET /_/issues/1/comments"):
        say(f"  {one['user']['login']}: {one['body']}")
    say("\n# Merged, and all records verify")
    person.type("git pull --quiet --ff-only origin main && git log --oneline main")
    person.attractor("audit", "verify")


def prepare(stage: Stage, hub: Hub) -> None:
    """Publish the project, seal the suite, and create the automation."""
    if make_project(stage, is_automatic=True):
        raise Surprise("attractor doctor: automations need the sandbox", USAGE)
    say("\n# Seal the hidden scenarios, and publish the project on a twin of GitHub")
    stage.attractor("profile", "create", "demo")
    stage.attractor("suite", "register", "scenarios/todo")
    stage.type("git add scenarios && git commit --quiet --message 'Seal the suite'")
    hub.ask("POST /user/repos", {"name": "todo"})
    stage.type(f"git remote add origin {hub.address} && git push --quiet origin main")
    say("\n# Issues with the label `agent` start runs, which hidden scenarios judge")
    words = ["--issue-label", "agent", "--suite", "todo", "--profile", "demo"]
    stage.attractor("automation", "create", "issues", "pipelines/issue.dot", *words)


def first_round(person: Stage, hub: Hub) -> None:
    """Label an issue, wait for the run, and propose its result."""
    say(f"\n# The reviewer labels an issue: {TITLE}")
    hub.ask("POST /_/issues", {"title": TITLE, "body": BODY}, by=REVIEWER)
    hub.ask("POST /_/issues/1/labels", {"labels": ["agent"]}, by=REVIEWER)
    await_(person, lambda: [one["status"] for one in person.ask("runs")] == ["awaiting_human"])
    person.attractor("gate", "latest")
    propose(person, "All hidden scenarios pass.")


def second_round(person: Stage, hub: Hub) -> None:
    """Let a check fail and a reviewer remark something, and propose the next result."""
    say("\n# On the forge a check fails, and the reviewer remarks something")
    commit = hub.ask("GET /_/pulls/2")["head"]["sha"]
    check = {"name": "words", "head_sha": commit, "conclusion": "failure", "log": LOG}
    hub.ask("POST /_/check-runs", check, by=CHECKS)
    line = {"body": REMARK, "path": "todo.py", "line": 1}
    hub.ask("POST /_/pulls/2/comments", line, by=REVIEWER)
    person.attractor("pr", "sync")
    say("\n# The next round has that as feedback")
    person.attractor("pr", "next", "latest")
    propose(person, "The first line names the option.")


def propose(person: Stage, reason: str) -> None:
    """Approve the latest result, and let it be a pull request."""
    person.attractor("decide", "latest", "--approve", "--reason", reason)
    person.attractor("promote", "latest", "--to", "pr")


@contextmanager
def served(stage: Stage) -> Generator[str]:
    """Serve the project; yield the address."""
    say("\n$ attractor serve --port 0 &")
    command = [sys.executable, "-m", "attractor", "serve", "--port", "0", "--json"]
    log = stage.folder / "serve.log"
    with (
        log.open("w") as written,
        subprocess.Popen(
            command,
            cwd=stage.project,
            env=stage.environ,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def await_(stage: Stage, is_there: Callable[[], Any]) -> None:
    """Wait until something happened on the server."""
    end = time.monotonic() + LIMIT_S
    while not is_there():
        if time.monotonic() > end:
            raise Surprise("attractor serve: see serve.log", 1)
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
