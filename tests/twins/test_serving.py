"""What the server itself adds to answers."""

import json

from attractor.twins.pytest_plugin import StartTwin
from tests.twins.exchanging import HELLO, KEYS, PATHS
from tests.twins.raw import raw


def test_it_adds_no_time_and_no_name_of_its_own(provider_twin: StartTwin) -> None:
    twin = provider_twin("rules = []")
    head = raw(twin.url, "GET /nothing", {}).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 404")
    assert b"\r\ndate:" not in head
    assert b"\r\nserver:" not in head


def test_a_script_may_say_a_date(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer.headers = { Date = "then" } }]')
    body = json.dumps(HELLO["openai"]).encode()
    told = raw(twin.url, f"POST {PATHS['openai']}", KEYS["openai"], body)
    assert (told.count(b"date:"), b"\r\ndate: then\r\n" in told) == (1, True)
