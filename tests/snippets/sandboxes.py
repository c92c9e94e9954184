"""Sandboxes for snippets, and a search for processes that a snippet left."""

import asyncio
from pathlib import Path
from typing import Any

from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.snippets.execution import SnippetSandboxes
from attractor.snippets.snippet import ExtendedExecution, Snippet
from tests.base.running import command_lines
from tests.patience import wait_until
from tests.pipeline.projects import adjusted, make_project, open_project

SECRET = "never-to-be-seen-5b1e"
FAR_S = 60


def make_sandboxes(
    folder: Path, bounds: SandboxBounds | None = None, **variables: str
) -> SnippetSandboxes:
    """Return sandboxes for a project; its operator has keys."""
    config = folder / ".config/attractor/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(SECRET)
    opened = open_project(make_project(folder / "project"))
    environ = {**opened.machine.environ, "OPENAI_API_KEY": SECRET, "MY_KEY": SECRET, **variables}
    return SnippetSandboxes(adjusted(opened, environ=environ, bounds=bounds or opened.bounds))


def execute(sandboxes: SnippetSandboxes, **fields: Any) -> ExtendedExecution:
    """Execute a snippet, with a time limit for a busy machine."""
    snippet = Snippet.model_validate({"timeout": FAR_S, **fields})
    return asyncio.run(sandboxes.execute(snippet))


def processes_with(mark: str) -> list[int]:
    """Return the processes of this machine whose arguments contain a mark."""
    return [one for one, words in command_lines().items() if mark in " ".join(words)]


def wait_for(mark: str, *, present: bool) -> None:
    """Wait until some process has a mark, or until none has."""
    wait_until(lambda: bool(processes_with(mark)) is present, lambda: processes_with(mark))
