import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from attractor.llm import Message, RateLimitError, Request, RetryPolicy, ServerError, retry
from attractor.llm.middleware import Fallback, Logging, Redaction
from tests.agent.scripted import ScriptedProvider, never, said
from tests.llm.middleware.asked import HELLO, OPUS, ask, client_of, hear
from tests.tables import table


class Records(logging.Handler):
    """Keeps the log records."""

    def __init__(self) -> None:
        super().__init__()
        self.logger = logging.Logger("a test's own")
        self.logger.addHandler(self)
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        return [cast(Mapping[str, Any], vars(one)["llm"]) for one in self.kept]


def test_request_and_response_are_logged() -> None:
    records = Records()
    ask(ScriptedProvider(said("secret words")), around=[Logging(records.logger)])
    request, answer = records.entries
    assert (request["event"], answer["event"]) == ("request", "answer")
    assert request["call"] == answer["call"]
    assert (request["provider"], request["model"], request["messages"]) == ("openai", "gpt-5.2", 1)
    assert (answer["input_tokens"], answer["output_tokens"]) == (100, 10)
    assert answer["request_id"] == "answer_1"
    assert answer["cost_usd"] > 0
    assert (answer["try"], answer["finish"], answer["stream"]) == (1, "stop", False)
    words = records.kept[1].getMessage()
    assert words.startswith("openai/gpt-5.2 answered in ")
    assert "100 input tokens, 10 output tokens" in words


@table("listen", [ask, hear], ids=["whole", "stream"])
def test_log_line_names_the_answering_model(listen: object) -> None:
    records = Records()
    down = ScriptedProvider(ServerError("down", provider="openai"))
    other = ScriptedProvider(said("hi"), name="anthropic")
    around = [Logging(records.logger), Fallback([OPUS])]
    (ask if listen is ask else hear)(down, other, around=around)
    assert records.entries[-1]["answered_by"] == "anthropic/claude-opus-4-6"
    words = records.kept[-1].getMessage()
    assert words.startswith("anthropic/claude-opus-4-6 (requested: openai/gpt-5.2) answered in ")


@table("listen", [ask, hear], ids=["whole", "stream"])
def test_contents_are_logged_only_on_request(listen: object) -> None:
    for content in (False, True):
        records = Records()
        around = [Logging(records.logger, content=content)]
        (ask if listen is ask else hear)(ScriptedProvider(said("the answer")), around=around)
        logged = str([vars(one) for one in records.kept])
        assert ("hello" in logged) == content
        assert ("the answer" in logged) == content


@pytest.mark.anyio
async def test_an_error_is_a_warning_and_tries_are_counted() -> None:
    records = Records()
    busy = [RateLimitError("busy", provider="openai", retry_after=0.0) for _ in range(2)]
    provider = ScriptedProvider(*busy, said("hi"), said("hi again"))
    key = "abcdef-of-a-test"
    request = Request(model="gpt-5.2", messages=[Message.user(f"hello {key}")])
    # After middleware that copies every request, it still recognizes the request.
    client = client_of(provider, around=[Redaction([key]), Logging(records.logger)])
    for _ in range(2):
        await retry(lambda: client.complete(request), policy=RetryPolicy())
    found = [(one["event"], one["try"]) for one in records.entries]
    calls = [("error", 1), ("error", 2), ("answer", 3), ("answer", 1)]
    assert [one for one in found if one[0] != "request"] == calls
    failed = records.entries[1]
    assert (failed["error"], failed["retryable"], failed["retry_after"]) == (
        *("RateLimitError", True),
        0.0,
    )
    assert records.kept[1].levelno == logging.WARNING


@pytest.mark.anyio
async def test_canceled_call_is_logged() -> None:
    records = Records()
    client = client_of(ScriptedProvider(never), around=[Logging(records.logger)])
    asked = asyncio.ensure_future(client.complete(HELLO))
    while not records.kept:
        await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    events = client_of(ScriptedProvider(said("a b")), around=[Logging(records.logger)])
    stream = events.stream(HELLO)
    await anext(stream)
    await stream.aclose()
    assert [one["event"] for one in records.entries] == ["request", "left"] * 2


def test_default_logger_has_the_name_of_the_package(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "attractor.llm"):
        ask(ScriptedProvider(said("hi")), around=[Logging()])
    assert {one.name for one in caplog.records} == {"attractor.llm"}
