"""The twin of GitHub with a repository of a project, where other people act by their own keys."""

import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service, with_state
from attractor.twins.services.service_twin import ServiceTwin
from tests.examples import ROOT
from tests.pipeline.projects import git

GITHUB = ROOT / "scenarios" / "_twins" / "github"
OPERATOR, REVIEWER = "twin-github", "twin-github-reviewer"
CHECKS, STRANGER = "twin-github-checks", "twin-github-stranger"
NAME = "operator/shop"


class Hub:
    """A running twin of GitHub, and the repository `operator/shop`."""

    def __init__(self, twin: ServiceTwin) -> None:
        self.twin = twin

    def send(self, words: str, body: Any = None, *, by: str = OPERATOR) -> httpx.Response:
        """Send `GET /path` with the key of a person."""
        method, path = words.split(" ")
        headers = {"authorization": f"Bearer {by}"}
        return httpx.request(method, f"{self.twin.url}{path}", json=body, headers=headers)

    def ask(self, words: str, body: Any = None, *, by: str = OPERATOR) -> Any:
        """Send `GET /path` about the repository, and return the body of the answer."""
        method, path = words.split(" ")
        response = self.send(f"{method} /repos/{NAME}{path}", body, by=by)
        assert response.is_success, response.text
        return response.json()

    def address(self, *, by: str = OPERATOR, name: str = NAME) -> str:
        """Return the address for git, with the key of a person."""
        return f"{self.twin.url.replace('//', f'//x:{by}@')}/{name}.git"

    def environ(self, **more: str) -> Mapping[str, str]:
        """Return the variables of the operator."""
        return {**self.twin.environ(), **more}

    def publish(self, project: Path) -> None:
        """Create the repository, and push the project to it as `origin`."""
        self.send("POST /user/repos", {"name": "shop"})
        git(project, "remote", "add", "origin", self.address())
        git(project, "push", "--quiet", "origin", "main")

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


@contextmanager
def hub(**state: Any) -> Generator[Hub]:
    """Serve the twin of GitHub; `state` are members of its state."""
    service = with_state(load_service(GITHUB), state)
    with in_background(ServiceTwin(service)) as twin:
        yield Hub(twin)


def pushes(folder: Path, address: str, branch: str) -> subprocess.CompletedProcess[str]:
    """Push the current commit of a repository to a branch of an address."""
    words = ["git", "push", "--quiet", address, f"HEAD:refs/heads/{branch}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
