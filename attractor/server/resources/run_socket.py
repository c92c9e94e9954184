"""A WebSocket for programs that follow a run and act on it: events down, orders up."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from attractor.base.errors import AttractorError, UnknownName
from attractor.base.json import JsonObject, canonical_json
from attractor.factory.operator_process import Scope
from attractor.server.access.callers import Caller
from attractor.server.events.buffer import DROPPED
from attractor.server.http.problems import InvalidRequest, invalid_request, problem_of
from attractor.server.http.scopes import READ, Calling, ProjectService, require_scope
from attractor.server.processes.bodies import Body, PickedAnswerBody, ResumeBody, SteerBody, WhyBody
from attractor.server.resources import run_actions
from attractor.server.resources.events import LOG, SEND_TIMEOUT_S, Parts, Reading
from attractor.server.run_actions import ActionResult
from attractor.server.service import Service

part = APIRouter(tags=["events"])

FINISHED, TRY_AGAIN_LATER = 1000, 1013
"""The codes of a WebSocket whose run ended, or whose reader was too slow."""

B = TypeVar("B", bound=BaseModel)


class Action(NamedTuple):
    """An action on a run: the fields of its body, and the operation that takes it."""

    body: type[Body]
    take: Callable[[Service, Caller, str, Any], ActionResult]


class Order(BaseModel):
    """A message of a client."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=100)
    action: str
    body: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


ACTIONS: Mapping[str, Action] = {
    "answer": Action(PickedAnswerBody, run_actions.answer),
    "cancel": Action(WhyBody, run_actions.cancel),
    "pause": Action(WhyBody, run_actions.pause),
    "resume": Action(ResumeBody, run_actions.resume),
    "steer": Action(SteerBody, run_actions.steer),
}


@part.websocket("/api/v1/runs/{run}/socket", dependencies=[READ])
async def converse(
    socket: WebSocket, service: ProjectService, caller: Calling, reader: Reading, run: str
) -> None:
    """Send the events of a run, and take orders, until the run or the connection ends."""
    root = await asyncio.to_thread(service.root, run)
    parts = await reader.follow(service.events.tails, root)
    # Not `latest`, which may name another run later.
    name = root.name if root.parent == service.project.runs_dir else run
    await socket.accept()
    replying = asyncio.Lock()
    sending = asyncio.create_task(_send_events(socket, parts))
    taking = asyncio.create_task(
        _take_orders(socket, partial(_take, service, caller, name), replying)
    )
    try:
        await asyncio.wait([sending, taking], return_when=asyncio.FIRST_COMPLETED)
        # The order that ended the run gets its reply.
        async with replying:
            # The client left, perhaps before that reply: nothing can be sent any more.
            if taking.done():
                taking.result()
            else:
                await socket.close(sending.result())
    finally:
        for task in (sending, taking):
            task.cancel()
        await asyncio.gather(sending, taking, return_exceptions=True)


async def _send_events(socket: WebSocket, parts: Parts) -> int:
    """Send events until the stream ends; return the code with which the socket is closed."""
    async with aclosing(parts):
        async for part in parts:
            for event in part:
                name = canonical_json(event.type)
                text = f'{{"id":{event.id},"event":{name},"data":{event.content.decode()}}}'
                try:
                    await asyncio.wait_for(socket.send_text(text), SEND_TIMEOUT_S)
                except TimeoutError:
                    LOG.warning("%s: dropped a reader that read nothing", socket.url.path)
                    return TRY_AGAIN_LATER
                if event.type == DROPPED:
                    return TRY_AGAIN_LATER
    return FINISHED


async def _take_orders(
    socket: WebSocket, take: Callable[[str | None], JsonObject], replying: asyncio.Lock
) -> None:
    """Take the orders of a client, one after the other, until it disconnects."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        async with replying:
            reply = await asyncio.to_thread(take, message.get("text"))
            await socket.send_text(canonical_json(reply))


def _take(service: Service, caller: Caller, run: str, text: str | None) -> JsonObject:
    """Take an order, and return the reply; a binary message has no text."""
    order: Order | None = None
    try:
        if text is None:
            raise InvalidRequest("the message is binary", hint="send each order as a text message")
        order = _read(Order, text)
        require_scope(caller, Scope.OPERATE)
        if order.action not in ACTIONS:
            raise UnknownName("action", order.action, ACTIONS)
        action = ACTIONS[order.action]
        body = _read(action.body, json.dumps(order.body))
        result = action.take(service, caller, run, body)
    except AttractorError as error:
        return {"reply": order.id if order else "", "problem": problem_of(error).model_dump()}
    return {"reply": order.id, "result": result.model_dump(mode="json")}


def _read(kind: type[B], text: str) -> B:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise invalid_request(error) from error
