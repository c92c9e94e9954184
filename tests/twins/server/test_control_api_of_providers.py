from typing import Any

import httpx

from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.tables import table
from tests.twins.exchanging import ANY, HELLO, KEYS, PATHS

RULES = """
[[rules]]
name = "hello"
when = { words = "hello", attempt = 1 }
answer.text = "Hi."
[[rules]]
name = "again"
when = { attempt = 2 }
answer.text = "Hi again."
[[rules]]
name = "never"
when = { model = "other" }
answer.text = "No."
"""


def ask(twin: ProviderTwin, wire: str = "openai") -> httpx.Response:
    return httpx.post(twin.url + PATHS[wire], json=HELLO[wire], headers=KEYS[wire])


def control(twin: ProviderTwin, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    token = {"authorization": f"Bearer {twin.token}"}
    return httpx.request(method, twin.control_url + path, headers=token, **more)


@table(
    ("query", "numbers"),
    [
        ("", [1, 2, 3]),
        ("?wire=anthropic", [2]),
        ("?rule=again", [3]),
        ("?since=1", [2, 3]),
        ("?since=1&wire=openai", [3]),
        ("?rule=none", []),
    ],
)
def test_requests_are_chosen_by_wire_rule_and_number(
    provider_twin: StartTwin, query: str, numbers: list[int]
) -> None:
    twin = provider_twin(RULES)
    for wire in ("openai", "anthropic", "openai"):
        ask(twin, wire)
    shown = control(twin, f"/requests{query}").json()["requests"]
    assert [one["number"] for one in shown] == numbers


def test_rules_are_shown_with_how_often_each_was_used(provider_twin: StartTwin) -> None:
    twin = provider_twin(RULES)
    for _ in range(2):
        ask(twin)
    rules = control(twin, "/script").json()["rules"]
    assert [(one["name"], one["used"]) for one in rules] == [
        ("hello", 1),
        ("again", 1),
        ("never", 0),
    ]
    assert rules[0]["when"] == {"words": "hello", "attempt": 1}


def test_script_is_replaced_while_the_twin_runs(provider_twin: StartTwin) -> None:
    twin = provider_twin(RULES)
    ask(twin)
    new = 'rules = [{ name = "new", answer = { text = "New." } }]'
    found = control(twin, "/script", "POST", content=new)
    assert [one["name"] for one in found.json()["rules"]] == ["new"]
    assert "New." in ask(twin).text
    assert [one.rule for one in twin.requests] == ["hello", "new"]


@table(
    ("script", "message"),
    [
        (b"rules = [", "invalid TOML"),
        (
            b'[[rules]]\nanswer = { txt = "a" }',
            "the script:2: unknown key rules[0].answer.txt",
        ),
        (b'rules = [{ when = { wire = "opnai" }, answer = {} }]', "unknown wire 'opnai'"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_invalid_script_is_rejected_and_the_old_one_kept(
    provider_twin: StartTwin, script: bytes, message: str
) -> None:
    twin = provider_twin(RULES)
    answer = control(twin, "/script", "POST", content=script)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert answer.json()["hint"]
    assert "Hi." in ask(twin).text


def test_dropped_requests_are_counted() -> None:
    seen: list[Any] = []
    twin = ProviderTwin(parse_script(ANY), keep=2, on_request=seen.append)
    with in_background(twin):
        for wire in ("openai", "anthropic", "gemini"):
            ask(twin, wire)
        shown = control(twin, "/requests").json()
        gone = control(twin, "/requests/1")
    assert ([one["number"] for one in shown["requests"]], shown["dropped"]) == ([2, 3], 1)
    assert (twin.dropped, [one.wire for one in seen]) == (1, ["openai", "anthropic", "gemini"])
    assert (gone.status_code, gone.json()["error"]) == (404, "request 1 was dropped")
