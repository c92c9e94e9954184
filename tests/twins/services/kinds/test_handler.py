from pathlib import Path
from typing import Any

import pytest

from attractor.twins.services.errors import InvalidRouteKey
from attractor.twins.services.kinds.handler import load_function
from tests.tables import table
from tests.twins.services.asking import Asked

HANDLER = """
import time
from attractor.twins.services.request import ServiceResponse

def add(request, state, draw):
    state["things"][str(len(state["things"]) + 1)] = {
        "id": draw.counter("t"), "at": draw.written_now}
    state["last"] = request.body
    return {"count": len(state["things"]), "id": draw.from_path["id"], "n": draw.random(5, 5)}

def teapot(request, state, draw):
    return ServiceResponse(418, {"x-a": "b"}, b"short and stout")

def stumbles(request, state, draw):
    state["last"] = "changed"
    draw.counter("t")
    return {}["nothing"]

def sleeps(request, state, draw):
    state["last"] = "changed"
    time.sleep(0.4)
    return 1

def forgets(request, state, draw):
    del state["things"]

def scrambles(request, state, draw):
    state["things"]["1"] = 5


def makes_none(request, state, draw):
    return object()

def spoils(request, state, draw):
    state["last"] = {1: 2}

async def waits(request, state, draw): ...
def takes_two(request, state): ...
"""
ROUTES = 'state = { things = [], last = "never" }\n' + "\n".join(
    f'[[routes]]\npath = "/{name}/{{id}}"\nkind = "handler"\nfunction = "{name}"\n'
    f'method = "*"\ntime_limit = "{limit}"'
    for name, limit in {
        **dict.fromkeys(
            ["add", "teapot", "stumbles", "forgets", "scrambles", "makes_none", "spoils"], "60s"
        ),
        "sleeps": "50ms",
    }.items()
)


@pytest.fixture
def ask(tmp_path: Path) -> Asked:
    (tmp_path / "handler.py").write_text(HANDLER)
    return Asked(ROUTES, tmp_path)


def test_a_function_answers_and_changes_the_state(ask: Asked) -> None:
    assert ask("POST /add/a", {"b": 1}) == (200, {"count": 1, "id": "a", "n": 5})
    assert ask("POST /add/b", 2)[1]["count"] == 2
    things = {str(n): {"id": n, "at": "2026-01-01T00:00:00Z"} for n in (1, 2)}
    assert ask.dispatcher.state() == {"things": things, "last": 2}
    assert ask("GET /teapot/x") == (418, "short and stout")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stumbles", "handler.py:17, stumbles: KeyError: 'nothing'"),
        (
            "sleeps",
            "sleeps exceeded its time limit of 0.05s; the changes of the function are discarded",
        ),
        ("forgets", "forgets: 'things' must remain an object of records"),
        ("scrambles", "scrambles: the record '1' in 'things' must be an object"),
        ("makes_none", "makes_none: cannot write JSON"),
        ("spoils", "spoils: cannot write JSON"),
    ],
)
def test_failing_functions_change_no_state(ask: Asked, name: str, message: str) -> None:
    status, body = ask(f"GET /{name}/x")
    assert (status, body["twin"]) == (500, True)
    assert body["error"]["message"].startswith(message)
    assert message in ask.dispatcher.requests[0].why
    assert ask.dispatcher.state() == {"things": {}, "last": "never"}
    ask("GET /add/x")
    things: Any = ask.dispatcher.state()["things"]
    assert things["1"]["id"] == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ad", "has no function 'ad', did you mean 'add'?"),
        ("Response", "has no function 'Response'"),
        ("waits", "must not be async"),
        ("takes_two", r"must take \(request, state, draw\)"),
    ],
)
def test_missing_functions_are_reported_when_loaded(
    ask: Asked, tmp_path: Path, name: str, message: str
) -> None:
    with pytest.raises(InvalidRouteKey, match=message):
        load_function(tmp_path, name)


@table(("text", "message"), [("def f(:", "cannot read"), ("a = 1\n1 / 0", r"handler.py:2: Zero")])
def test_invalid_handler_file_is_reported(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "handler.py").write_text(text)
    with pytest.raises(InvalidRouteKey, match=message):
        load_function(tmp_path, "f")
