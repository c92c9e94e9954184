"""The sessions of the real coding agents are continued after a turn that was killed."""

from pathlib import Path

import pytest

from attractor.twins.script.script import Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.test_agent import desk_with
from tests.cli.test_continued_sessions import RULES, kill_third_turn, require_third_turn_known
from tests.external_agents.test_backends import Outside
from tests.external_agents.test_usage import ACP, each_program

pytestmark = pytest.mark.agents


@each_program
def test_program_knows_a_killed_turn(tmp_path: Path, one: Outside, backend: str) -> None:
    one.require()
    desk = desk_with(tmp_path)
    if backend == "acp":
        desk.write(f'[backends.acp]\nrun = "{ACP[one.program]}"\n', "attractor.toml")
    words = ["--backend", backend, *(["--model", one.model] if one.model else [])]
    with in_background(ProviderTwin(Script(rules=RULES))) as desk.twin:
        try:
            kill_third_turn(desk, *words)
            require_third_turn_known(desk)
        finally:
            desk.end()
