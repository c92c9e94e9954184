"""Coding-agent-loop 9.7."""

from dataclasses import replace
from pathlib import Path

from attractor.agent.session_state import SessionConfig
from tests.agent.twinned import Talk, says, talk


def test_9_7_reasoning_effort_reaches_the_provider_from_the_next_call_on(tmp_path: Path) -> None:
    async def work(talk: Talk) -> None:
        for effort in (None, "low", "medium", "high", "xhigh"):
            talk.session.config = replace(talk.session.config, reasoning_effort=effort)
            await talk.session.submit("Think")

    answers = [says(str(step)) for step in range(5)]
    done = talk(tmp_path, "openai", answers, work, config=SessionConfig())
    bodies = [one.body for one in done.twin.requests]
    efforts = [body.get("reasoning") for body in bodies if isinstance(body, dict)]
    assert efforts == [
        None,
        {"effort": "low"},
        {"effort": "medium"},
        {"effort": "high"},
        {"effort": "xhigh"},
    ]
