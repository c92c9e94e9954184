"""Copies of the agents with which runs began."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import VerificationError
from tests.pipeline.projects import make_project, open_project, simulated, start


def test_new_run_refuses_a_changed_copy_of_its_agents(tmp_path: Path) -> None:
    agent = "description = 'Reviews.'\ntools = ['read_file']\n"
    project = make_project(tmp_path / "project", **{"agents/mine/agent.toml": agent})
    opened = open_project(project)
    request = simulated(project)
    asyncio.run(start(request, opened))
    [copy] = opened.machine.agent_copies.glob("*/mine/agent.toml")
    copy.chmod(0o600)
    copy.write_text(agent + "# more\n")
    with pytest.raises(VerificationError, match="missing or were changed"):
        asyncio.run(start(request, opened))
