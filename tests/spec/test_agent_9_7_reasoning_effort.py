"""Coding-agent-loop 9.7."""

from dataclasses import replace
from pathlib import Path

from attractor.agent.events import SessionConfig
from attractor.base.json import Json
from tests.agent.twinned import WIRES, Talk, says, talk
from tests.tables import table

# Where each provider expects the effort in the body of a request.
PATHS = {
    "openai": ("reasoning", "effort"),
    "anthropic": ("output_config", "effort"),
    "gemini": ("generationConfig", "thinkingConfig", "thinkingLevel"),
}


def effort_in(body: Json, path: tuple[str, ...]) -> Json:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


@table("wire", WIRES)
def test_9_7_reasoning_effort_reaches_the_provider_from_the_next_call_on(
    tmp_path: Path, wire: str
) -> None:
    efforts = [None, "low", "medium", "high", *(["xhigh"] if wire == "openai" else [])]

    async def work(talk: Talk) -> None:
        for effort in efforts:
            talk.session.config = replace(talk.session.config, reasoning_effort=effort)
            await talk.session.submit("Think")

    answers = [says(str(step)) for step in range(len(efforts))]
    done = talk(tmp_path, wire, answers, work, config=SessionConfig())
    assert [effort_in(one.body, PATHS[wire]) for one in done.twin.requests] == efforts
