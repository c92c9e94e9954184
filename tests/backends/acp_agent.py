"""An agent that speaks the Agent Client Protocol.

It asks for permission, writes a file, and reports. `acp_agent.py end_turn PROVIDER NUMBER [die]`
also calls models, as `model_caller.py` does.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import acp
from acp.schema import (
    AgentCapabilities,
    FileEditToolCallContent,
    Implementation,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PermissionOption,
    PromptResponse,
    SessionConfigOptionSelect,
    SessionConfigSelectOption,
    SetSessionConfigOptionResponse,
    ToolCallLocation,
    ToolCallUpdate,
    Usage,
)
from pydantic import BaseModel, Field

from tests.backends.model_caller import call_models

IS_GEMINI = sys.argv[1:] == ["gemini-cli"]
STOPS: Any = sys.argv[1] if len(sys.argv) > 1 and not IS_GEMINI else "end_turn"
CALLS = sys.argv[2:]
SESSION = Path.home() / "session"
OPTIONS: Any = [
    SessionConfigOptionSelect(
        id="pick",
        name="Model",
        category="model",
        type="select",
        current_value="small",
        options=[
            SessionConfigSelectOption(value=value, name=value)
            for value in ("small", "large", "openai/huge")
        ],
    )
]


class SetModel(BaseModel):
    """The request of a method that gemini-cli offers, but the library has not."""

    session_id: str = Field(alias="sessionId")
    model_id: str = Field(alias="modelId")


class WritingAgent:
    """Does one task, then answers each further message with its text."""

    client: Any
    prompts = 0

    def on_connect(self, client: Any) -> None:
        self.client = client
        if IS_GEMINI:
            client._conn._handler.route_request("session/set_model", SetModel, self, "set_model")

    async def set_model(self, session_id: str, model_id: str) -> dict[str, Any]:
        (self.folder / "model.txt").write_text(model_id)
        return {}

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **others: Any
    ) -> SetSessionConfigOptionResponse:
        (self.folder / "model.txt").write_text(f"{config_id}={value}")
        return SetSessionConfigOptionResponse(config_options=[])

    async def initialize(self, protocol_version: int, **others: Any) -> InitializeResponse:
        return InitializeResponse(
            protocol_version=protocol_version,
            agent_capabilities=AgentCapabilities(load_session=True),
            agent_info=Implementation(name="gemini-cli" if IS_GEMINI else "writer", version="1.2"),
        )

    async def new_session(self, cwd: str, **others: Any) -> NewSessionResponse:
        self.folder = Path(cwd)
        SESSION.write_text("one")
        return NewSessionResponse(
            session_id="one",
            config_options=OPTIONS if STOPS == "end_turn" and not IS_GEMINI else None,
        )

    async def load_session(self, cwd: str, session_id: str, **others: Any) -> LoadSessionResponse:
        """Repeat the conversation of the session, as the protocol requires."""
        self.folder = Path(cwd)
        if SESSION.read_text() != session_id:
            raise ValueError(f"unknown session {session_id}")
        await self.say(session_id, "This was said before.")
        return LoadSessionResponse()

    async def prompt(self, prompt: list[Any], session_id: str, **others: Any) -> PromptResponse:
        self.prompts += 1
        if STOPS == "exit":
            os._exit(7)
        if CALLS:
            call_models(CALLS[0], int(CALLS[1]), dies="die" in CALLS)
        await self.say(session_id, "I write ")
        await self.say(session_id, "a file.")
        asked = ToolCallUpdate(tool_call_id="call-1")
        if IS_GEMINI:
            place = [ToolCallLocation(path="missing.txt")]
            begun = acp.start_tool_call(
                "call-0", "missing.txt", kind="edit", status="in_progress", locations=place
            )
            await self.client.session_update(session_id, begun)
            failed = acp.update_tool_call("call-0", status="failed", kind="edit")
            await self.client.session_update(session_id, failed)
            # It does not tell a call before it asks, and never its input.
            diff = FileEditToolCallContent(
                path="made.txt", old_text="no\n", new_text="yes\n", type="diff"
            )
            asked = ToolCallUpdate(
                tool_call_id="call-1", kind="edit", title="made.txt: no => yes", content=[diff]
            )
        else:
            begun = acp.start_tool_call("call-1", "wri", status="pending", raw_input={})
            await self.client.session_update(session_id, begun)
            known = acp.update_tool_call("call-1", title="write", raw_input={"path": "made.txt"})
            await self.client.session_update(session_id, known)
        options = [
            PermissionOption(option_id="always", name="Always", kind="allow_always"),
            PermissionOption(option_id="no", name="No", kind="reject_once"),
            PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
        ]
        granted = await self.client.request_permission(
            session_id=session_id,
            tool_call=asked,
            options=options,
        )
        (self.folder / "made.txt").write_text(getattr(granted.outcome, "option_id", "denied"))
        ended = acp.update_tool_call(
            "call-1",
            status="completed",
            content=[acp.tool_content(acp.text_block("written"))],
        )
        await self.client.session_update(session_id, ended)
        (self.folder / "asked.txt").open("a").write(f"{prompt[0].text}\n---\n")
        # Wait for a message to the agent.
        while (self.folder / "wait").exists() and self.prompts == 1:
            await asyncio.sleep(0.05)
        if STOPS == "end_turn":
            Path(os.environ["ATTRACTOR_STATUS_FILE"]).write_text('{"outcome": "success"}')
        await self.say(session_id, "Done.")
        if IS_GEMINI:
            counts = {"token_count": {"input_tokens": 7, "output_tokens": 3}}
            return PromptResponse(stop_reason=STOPS, field_meta={"quota": counts})
        used = Usage(total_tokens=30, input_tokens=20, output_tokens=10)
        return PromptResponse(stop_reason=STOPS, usage=used)

    async def say(self, session_id: str, text: str) -> None:
        await self.client.session_update(session_id, acp.update_agent_message_text(text))


if __name__ == "__main__":
    asyncio.run(acp.run_agent(WritingAgent()))  # pyright: ignore[reportArgumentType]
