"""Sessions with a scripted model over real HTTP, on every wire."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attractor.agent.conversation.session import Session
from attractor.agent.events import DELTAS, EventKind, SessionConfig, SessionEvent
from attractor.agent.provider_profile import create_profile
from attractor.base.json import JsonObject
from attractor.environments.local import LocalExecutionEnvironment
from attractor.llm.client import Client
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_state import LoggedRequest
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.places import finish, local

MODELS = {
    "openai": "gpt-5.2-codex",
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-3-flash-preview",
    "openai_compatible": "qwen3-coder",
}
WIRES = ("openai", "anthropic", "gemini")


def says(text: str) -> Answer:
    return Answer(text=text)


def uses(*tools: ToolUse, text: str = "") -> Answer:
    return Answer(text=text, tool_calls=tools)


def use(name: str, arguments: JsonObject | None = None) -> ToolUse:
    return ToolUse(name=name, arguments=dict(arguments or {}))


def script(*answers: Answer) -> Script:
    """Return a script that gives these answers in order."""
    rules = [Rule(when=When(step=step), answer=answer) for step, answer in enumerate(answers)]
    return Script(rules=tuple(rules))


def model_requests(twin: ProviderTwin) -> Sequence[LoggedRequest]:
    """Return the requests to models, without the requests for model lists."""
    return [one for one in twin.requests if one.method == "POST"]


@dataclass
class Talk:
    """A session, its events, and the provider twin, which records the requests."""

    session: Session
    environment: LocalExecutionEnvironment
    twin: ProviderTwin
    events: list[SessionEvent] = field(default_factory=list[SessionEvent])

    def data_of(self, kind: EventKind) -> Sequence[JsonObject]:
        return [event.data for event in self.events if event.kind is kind]

    @property
    def kinds(self) -> Sequence[EventKind]:
        return [event.kind for event in self.events if event.kind not in DELTAS]

    @property
    def last_request(self) -> str:
        return str(self.twin.requests[-1].body)


def talk(
    folder: Path,
    wire: str,
    answers: Sequence[Answer],
    work: Callable[[Talk], Awaitable[None]],
    *,
    config: SessionConfig | None = None,
    instructions: str = "",
) -> Talk:
    """Run `work` in a session whose model gives these answers in order."""
    return talk_by(folder, wire, script(*answers), work, config=config, instructions=instructions)


def talk_by(
    folder: Path,
    wire: str,
    script: Script,
    work: Callable[[Talk], Awaitable[None]],
    *,
    config: SessionConfig | None = None,
    instructions: str = "",
) -> Talk:
    """Run `work` in a session whose model follows a script."""

    async def run(twin: ProviderTwin) -> Talk:
        events: list[SessionEvent] = []
        environment = local(folder)
        async with Client.from_env(twin.environ()) as client:
            session = Session(
                create_profile(wire, model=MODELS[wire]),
                environment,
                client=client,
                config=config or SessionConfig(),
                instructions=instructions,
                on_event=events.append,
            )
            talk = Talk(session, environment, twin, events)
            await work(talk)
            await session.close()
            return talk

    with in_background(ProviderTwin(script)) as twin:
        return finish(run(twin))


def submit(*inputs: str) -> Callable[[Talk], Awaitable[None]]:
    async def work(talk: Talk) -> None:
        for one in inputs:
            await talk.session.submit(one)

    return work
