"""Talks to `codex app-server`, the form of codex that asks before it makes a tool call.

Messages are lines of JSON-RPC without its version. Of the answers that codex offers, only those
about one call are given: the others would be rules that are listed nowhere.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count as count_up

from attractor import __version__
from attractor.backends.outside_events import (
    Failed,
    ProgramEvent,
    SessionNamed,
    Spent,
    Warned,
    as_text,
    count,
)
from attractor.backends.programs import Dialogue
from attractor.base.json import Json, JsonObject
from attractor.base.patterns import late_pattern
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.seams import Verdict
from attractor.llm.response import Usage

_CAPITAL = late_pattern(r"(?<=[a-z])([A-Z])")
# JSON-RPC: this client has no such method.
_UNKNOWN_METHOD = -32601


ReadItem = Callable[[JsonObject], Iterable[ProgramEvent]]
"""Type of the function that reads an event of `codex exec --json`."""


class ServerTalk:
    """One conversation with the server: a thread, and its turns."""

    def __init__(
        self, dialogue: Dialogue, read: ReadItem, command_of: Callable[[str], str]
    ) -> None:
        self._dialogue = dialogue
        self._read = read
        self._command_of = command_of
        self._items: dict[str, JsonObject] = {}
        self._asked: set[str] = set()
        self._waited: dict[int, str] = {}
        self._ids = count_up(1)
        self._thread = self._turn = ""

    async def drive(self) -> None:
        """Open the thread, send the prompt, and follow the events to the end of the turn."""
        about: JsonObject = {"name": "attractor", "version": __version__}
        self._request("initialize", {"clientInfo": dict(about)})
        async for line in self._dialogue.json_lines():
            match line:
                case {"method": "turn/completed", "params": {"turn": {**turn}}}:
                    error = turn.get("error")
                    if turn.get("status") != "completed":
                        self._dialogue.take(Failed(as_text(error) or as_text(turn.get("status"))))
                    return
                case {"id": id_, "method": str(method), "params": {**params}}:
                    self._take_request(id_, method, params)
                case {"method": str(method), "params": {**params}}:
                    self._take_event(method, params)
                case {"id": int(id_), **answer} if id_ in self._waited:
                    if not self._take_answer(self._waited.pop(id_), answer):
                        return
                case _:
                    pass

    def _take_answer(self, method: str, answer: JsonObject) -> bool:
        """Take the answer to a request, and send the next one; return False after an error."""
        if "error" in answer:
            if method == "turn/steer":
                return True
            self._dialogue.take(Failed(f"{method}: {as_text(answer['error'])}"))
            return False
        task = self._dialogue.task
        match method, answer.get("result"):
            case "initialize", _:
                self._tell(method="initialized")
                policy: dict[str, Json] = {
                    "cwd": task.folder,
                    "approvalPolicy": "untrusted",
                    "approvalsReviewer": "user",
                    # With full access, codex would trust the project, whose rules allow calls.
                    "sandbox": "read-only",
                }
                policy |= {"model": task.choice.model} if task.choice.model else {}
                if task.session:
                    self._request("thread/resume", {**policy, "threadId": task.session})
                else:
                    self._request("thread/start", policy)
            case (("thread/start" | "thread/resume"), {"thread": {"id": str(thread)}, **rest}):
                self._thread = thread
                self._dialogue.take(SessionNamed(thread, as_text(rest.get("model"))))
                said: list[Json] = [{"type": "text", "text": task.prompt}]
                # The sandbox is that of the stage.
                free: dict[str, Json] = {"sandboxPolicy": {"type": "dangerFullAccess"}}
                self._request("turn/start", {"threadId": thread, "input": said, **free})
            case "turn/start", {"turn": {"id": str(turn)}}:
                self._turn = turn
            case _:
                pass
        return True

    def _take_event(self, method: str, params: JsonObject) -> None:
        match method, params:
            case "item/started", {"item": {"id": str(id_)} as item}:
                self._items[id_] = item
                self._show("item.started", item)
            case "item/completed", {"item": {**item}}:
                self._show("item.completed", item)
            case "thread/tokenUsage/updated", {"tokenUsage": {"total": {**used}}}:
                tokens = Usage(
                    count(used.get("inputTokens")),
                    count(used.get("outputTokens")),
                    cache_read_tokens=count(used.get("cachedInputTokens")),
                )
                self._dialogue.take(Spent(tokens, is_total=True))
            case "error", {"error": {"message": str(message)}}:
                self._dialogue.take(Warned(message))
            case _:
                pass

    def _show(self, kind: str, item: JsonObject) -> None:
        """Take an item as the event that `codex exec` prints of it."""
        named: dict[str, Json] = {_snake(name): value for name, value in item.items()}
        named["type"] = _snake(as_text(item.get("type")))
        for heard in self._read({"type": kind, "item": named}):
            self._dialogue.take(heard)

    def _take_request(self, id_: Json, method: str, params: JsonObject) -> None:
        """Ask about a command or a change; what else codex asks for is not here."""
        key = json.dumps(id_)
        if key in self._asked:
            message = "a question about a tool call came twice, and was ignored"
            self._dialogue.take(Warned(message))
            return
        self._asked.add(key)
        call = self._call(method, params)
        if call:
            self._dialogue.ask(call, partial(self._answer, id_))
            return
        error: dict[str, Json] = {"code": _UNKNOWN_METHOD, "message": f"no {method} here"}
        self._tell(id=id_, error=error)

    def _call(self, method: str, params: JsonObject) -> AskedCall | None:
        folder = as_text(params.get("cwd")) or self._dialogue.task.folder
        why = as_text(params.get("reason"))
        item = self._items.get(as_text(params.get("itemId")), {})
        match method:
            case "item/commandExecution/requestApproval":
                kind = as_text(params.get("kind")) or "command"
                command = self._command_of(as_text(params.get("command") or item.get("command")))
                tool = "shell" if kind == "command" else kind
                return AskedCall(tool, {"command": command}, folder, why=why)
            case "item/fileChange/requestApproval":
                patch = "\n".join(_patch(item.get("changes")))
                return AskedCall("apply_patch", {"patch": patch}, folder, why=why)
            case _:
                return None

    def _answer(self, id_: Json, verdict: Verdict) -> None:
        decision = "accept" if verdict.is_allowed else "decline"
        self._tell(id=id_, result={"decision": decision})
        if not verdict.is_allowed and self._turn:
            # The answer itself has no words.
            said: list[Json] = [{"type": "text", "text": f"Not done: {verdict.words}"}]
            place: dict[str, Json] = {"threadId": self._thread, "expectedTurnId": self._turn}
            self._request("turn/steer", {**place, "input": said})

    def _request(self, method: str, params: Mapping[str, Json]) -> None:
        id_ = next(self._ids)
        self._waited[id_] = method
        self._tell(id=id_, method=method, params=dict(params))

    def _tell(self, **line: Json) -> None:
        self._dialogue.write(f"{json.dumps(line)}\n")


def _snake(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _patch(changes: Json) -> Iterator[str]:
    """Yield the diff of each changed file, after its names."""
    for change in changes if isinstance(changes, list) else []:
        match change:
            case {"path": str(path), "kind": {"type": str(kind), **rest}, "diff": str(diff)}:
                yield f"*** {kind.capitalize()} File: {path}"
                if moved := as_text(rest.get("move_path")):
                    yield f"*** Move to: {moved}"
                # Of a whole file, codex shows the text.
                mark = {"add": "+", "delete": "-"}.get(kind, "")
                yield from (f"{mark}{line}" for line in diff.splitlines())
            case _:
                yield f"*** Update File: {as_text(change)}"
