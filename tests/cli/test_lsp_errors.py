"""Errors of `attractor lsp`: the real process, message by message."""

import json
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from lsprotocol.types import LSPErrorCodes

from attractor.cli.language_server.server import log_in_lines, refusal
from tests.cli.running import ATTRACTOR
from tests.patience import PATIENCE_S
from tests.tables import table

REFUSED = LSPErrorCodes.RequestFailed.value
INVALID, UNKNOWN = -32602, -32601
PIPELINE = "digraph G {\n start; exit; work\n start -> work -> exit }\n"
AT_START, NOWHERE = {"line": 1, "character": 2}, {"line": 0, "character": 2}
RENAME, HOVER = "textDocument/rename", "textDocument/hover"

Message = dict[str, Any]


def framed(message: Message) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def unframed(stream: bytes) -> list[Message]:
    messages: list[Message] = []
    while stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        length = int(head.split(b"\r\n")[0].removeprefix(b"Content-Length: "))
        messages.append(json.loads(rest[:length]))
        stream = rest[length:]
    return messages


INITIALIZE: Message = {
    "id": "i",
    "method": "initialize",
    "params": {"capabilities": {}, "processId": None},
}
INITIALIZED: Message = {"method": "initialized", "params": {}}
GOODBYE: Sequence[Message] = ({"id": "s", "method": "shutdown"}, {"method": "exit"})


def answers_to(messages: Sequence[Message], *, code: int = 0) -> tuple[list[Message], str]:
    """Send all messages at once; return the answers of the server, and its stderr."""
    ended = subprocess.run(
        [ATTRACTOR, "lsp", "--stdio"],
        input=b"".join(map(framed, messages)),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == code
    return unframed(ended.stdout), ended.stderr.decode()


def opening(uri: str, text: str = PIPELINE) -> Message:
    document = {"uri": uri, "languageId": "dot", "version": 1, "text": text}
    return {"method": "textDocument/didOpen", "params": {"textDocument": document}}


def conversation(
    uri: str, asked: Sequence[tuple[str, Message]], *, text: str = PIPELINE
) -> tuple[list[Message], str]:
    """Open a document and send requests; return their answers, and the stderr of the server."""
    requests: list[Message] = [
        {"id": at, "method": method, "params": params} for at, (method, params) in enumerate(asked)
    ]
    spoken, stderr = answers_to([INITIALIZE, INITIALIZED, opening(uri, text), *requests, *GOODBYE])
    answers = {one["id"]: one for one in spoken if "id" in one}
    return [answers[one["id"]] for one in requests], stderr


def test_refused_request_has_an_error_without_a_traceback(tmp_path: Path) -> None:
    uri, other = (tmp_path / "p.dot").as_uri(), (tmp_path / "not-there.dot").as_uri()
    here: Message = {"textDocument": {"uri": uri}}
    there: Message = {"textDocument": {"uri": other}}
    answers, said = conversation(
        uri,
        [
            (RENAME, {**here, "position": AT_START, "newName": "work"}),
            (RENAME, {**here, "position": NOWHERE, "newName": "new"}),
            (RENAME, {**here, "position": AT_START, "newName": " "}),
            (HOVER, {**there, "position": AT_START}),
            (RENAME, here),
            ("textDocument/nonsense", here),
            (RENAME, {**here, "position": AT_START, "newName": "begin"}),
        ],
    )
    *errors, renamed = answers
    assert [(one["error"]["code"], one["error"]["message"]) for one in errors] == [
        (REFUSED, "node 'work' already exists (choose another id)"),
        (REFUSED, "no node at this position (put the cursor on the id of a node)"),
        (REFUSED, "a node needs an id (write letters, digits and _)"),
        (REFUSED, f"cannot read {tmp_path / 'not-there.dot'}: No such file or directory"),
        (INVALID, "Invalid Params"),
        (UNKNOWN, "Method Not Found: textDocument/nonsense"),
    ]
    assert len(renamed["result"]["changes"][uri]) == 2
    # An unreadable message is logged in the editor; a refused request is not.
    assert said == "attractor lsp: Unable to deserialize message\n"


def test_internal_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = logging.getLogger("pygls")
    monkeypatch.setattr(library, "handlers", [])
    monkeypatch.setattr(library, "propagate", True)
    log_in_lines()
    logger = logging.getLogger("pygls.protocol.json_rpc")
    for error in (ValueError("two\nlines"), refusal("no")):
        try:
            raise error
        except type(error):
            logger.exception('Exception occurred for message "%s"', 1)
    logger.error("Unable to deserialize message\n%s", "Traceback")
    logger.warning("chatter")
    assert capsys.readouterr().err.splitlines() == [
        'attractor lsp: Exception occurred for message "1": ValueError: two lines',
        "attractor lsp: Unable to deserialize message",
    ]


def test_untimely_requests_are_refused(tmp_path: Path) -> None:
    uri = (tmp_path / "p.dot").as_uri()
    here: Message = {"textDocument": {"uri": uri}, "position": AT_START}
    wrong: Message = {}
    asked = [(HOVER, here), (HOVER, wrong), ("textDocument/nonsense", here), ("shutdown", wrong)]
    early = [{"id": at, "method": one, "params": params} for at, (one, params) in enumerate(asked)]
    again = {**INITIALIZE, "id": "again"}
    late = {"id": "late", "method": HOVER, "params": here}
    shutdown, exit_ = GOODBYE
    messages = [*early, opening(uri), INITIALIZE, INITIALIZED, again, shutdown, late, exit_]
    spoken, _ = answers_to(messages)
    codes = {one["id"]: one.get("error", {}).get("code") for one in spoken}
    assert codes == {
        **dict.fromkeys(range(len(early)), -32002),
        "i": None,
        "again": -32600,
        "s": None,
        "late": -32600,
    }


@table("messages", [[{"method": "exit"}], [INITIALIZE, INITIALIZED, {"method": "exit"}], []])
def test_disconnect_without_shutdown_exits_with_1(messages: Sequence[Message]) -> None:
    answers_to(messages, code=1)


def test_only_the_last_of_many_changes_is_analyzed(tmp_path: Path) -> None:
    uri = (tmp_path / "p.dot").as_uri()
    edits: list[Message] = [
        {
            "method": "textDocument/didChange",
            "params": {
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"text": PIPELINE.replace("work", "work" + "x" * version)}],
            },
        }
        for version in range(2, 32)
    ]
    place = {"textDocument": {"uri": uri}, "position": {"line": 2, "character": 10}}
    ask = {"id": "c", "method": "textDocument/completion", "params": place}
    with subprocess.Popen(
        [ATTRACTOR, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(
            b"".join(map(framed, [INITIALIZE, INITIALIZED, opening(uri), *edits, ask]))
        )
        server.stdin.flush()
        heard: list[Message] = []
        while not heard or heard[-1].get("params", {}).get("version") != 31:
            heard.append(next_of(server.stdout))
        server.stdin.write(b"".join(map(framed, GOODBYE)))
        server.stdin.close()
        assert server.wait(timeout=PATIENCE_S) == 0
    published = [one["params"]["version"] for one in heard if "id" not in one]
    assert (published[0], published[-1]) == (1, 31)
    # On a busy machine, the burst may have pauses.
    assert len(published) < 10
    [answer] = [one for one in heard if one.get("id") == "c"]
    assert "work" + "x" * 31 in [one["label"] for one in answer["result"]["items"]]


def next_of(stream: IO[bytes]) -> Message:
    length = 0
    while (line := stream.readline()).strip():
        name, _, value = line.partition(b":")
        length = int(value) if name == b"Content-Length" else length
    return json.loads(stream.read(length))


def test_flat_client_gets_a_symbol_list(tmp_path: Path) -> None:
    uri = (tmp_path / "p.dot").as_uri()
    text = "digraph G {\n subgraph cluster_a { label=Box; work }\n start; exit }\n"
    here: Message = {"textDocument": {"uri": uri}}
    [answer], _ = conversation(uri, [("textDocument/documentSymbol", here)], text=text)
    found = [(one["name"], one.get("containerName")) for one in answer["result"]]
    assert found == [("Box", None), ("work", "Box"), ("start", None), ("exit", None)]
    assert answer["result"][0]["location"]["range"]["start"] == {"line": 1, "character": 1}
